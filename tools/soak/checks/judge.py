"""All checks over a whole history: a key's prefix says what it is.

reg:   register with compare-and-set, acknowledged in sync: strict
weak:  register written at the primary's acknowledgement, deleted in sync
ctr:   counter
add:   one add, acknowledged in sync;   padd: by the primary alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tools.soak.checks.adds import Adds, check_adds
from tools.soak.checks.anomaly import Anomaly
from tools.soak.checks.counters import check_counter
from tools.soak.checks.deletes import check_deletes
from tools.soak.checks.linearizability import STEPS_MAX, Verdict
from tools.soak.checks.registers import LossyRegister, Register, anomalies_of, check_register
from tools.soak.checks.sessions import check_session
from tools.soak.checks.versions import check_versions
from tools.soak.history import Operation, Outcome, by_key

REGISTER, WEAK, COUNTER, SESSION = "reg:", "weak:", "ctr:", "ses:"
ADD, PRIMARY_ADD = "add:", "padd:"


@dataclass
class Judged:
    operations: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    keys: int = 0
    undecided: list[str] = field(default_factory=list)
    """Keys whose search met its bound: nothing is known of them."""
    adds: Adds = field(default_factory=lambda: Adds(0, 0, 0, ()))
    primary_adds: Adds = field(default_factory=lambda: Adds(0, 0, 0, ()))
    anomalies: list[Anomaly] = field(default_factory=list)


def judge(
    history: Iterable[Operation], steps_max: int = STEPS_MAX, *, losses_allowed: bool = True
) -> Judged:
    """Check everything; the same history gives the same judgement.

    Without ``losses_allowed`` what the primary alone acknowledged counts like the rest:
    for histories in which no node failed.
    """
    keys = by_key(history)
    judged = Judged(keys=len(keys))
    for key, operations in keys.items():
        _count(judged, operations)
        if key.startswith((REGISTER, WEAK)):
            _judge_register(
                judged, key, operations, steps_max, is_lossy=losses_allowed and _is_weak(key)
            )
        elif key.startswith(COUNTER):
            judged.anomalies += check_counter(key, operations)
        elif key.startswith(SESSION):
            judged.anomalies += check_session(key, operations)
    judged.adds = check_adds({key: keys[key] for key in keys if key.startswith(ADD)})
    judged.primary_adds = check_adds(
        {key: keys[key] for key in keys if key.startswith(PRIMARY_ADD)}
    )
    judged.anomalies += [*judged.adds.anomalies, *judged.primary_adds.anomalies]
    if judged.primary_adds.lost and not losses_allowed:
        judged.anomalies.append(
            Anomaly("adds", PRIMARY_ADD, f"{judged.primary_adds.lost} lost, and no node failed")
        )
    return judged


def _is_weak(key: str) -> bool:
    return key.startswith(WEAK)


def _judge_register(
    judged: Judged,
    key: str,
    operations: Sequence[Operation],
    steps_max: int,
    *,
    is_lossy: bool,
) -> None:
    name, model = (
        ("lossy register", LossyRegister()) if is_lossy else ("linearizability", Register())
    )
    explained = check_register(operations, model, steps_max)
    if explained.verdict is Verdict.UNDECIDED:
        judged.undecided.append(key)
    judged.anomalies += anomalies_of(name, key, explained)
    checks: tuple[Callable[[str, Sequence[Operation]], list[Anomaly]], ...] = (
        check_deletes,
        check_versions,
    )
    for check in checks:
        judged.anomalies += check(key, operations)


def _count(judged: Judged, operations: Sequence[Operation]) -> None:
    judged.operations += len(operations)
    judged.ok += sum(one.outcome is Outcome.OK for one in operations)
    judged.failed += sum(one.outcome is Outcome.FAILED for one in operations)
    judged.unknown += sum(one.outcome is Outcome.UNKNOWN for one in operations)
