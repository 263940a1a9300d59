"""Registers with compare-and-set: what a key of the cache is to those who write it.

``Register`` is strict: every acknowledged write took effect for good. ``LossyRegister`` is
for writes that the primary alone acknowledged: at a failover the newest of them may be
lost, down to the last that was acknowledged in sync; but what was seen to be lost stays
lost, and nothing comes back from before that last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.soak.checks.anomaly import Anomaly
from tools.soak.checks.linearizability import STEPS_MAX, Explained, Model, Verdict, check
from tools.soak.history import IN_SYNC, Kind, Operation, Outcome

Values = tuple[str | None, ...]


class Register:
    """The state is the one value; None: the key is not there."""

    @property
    def initial(self) -> Values:
        return (None,)

    def step(self, state: Values, operation: Operation) -> Values | None:
        match operation.kind:
            case Kind.READ:
                return state if state == (operation.result,) else None
            case Kind.WRITE | Kind.DELETE:
                return (operation.value,)
            case Kind.CAS:
                return _compare_and_set(state, operation)
        raise ValueError(f"a register has no {operation.kind}")


def _compare_and_set(state: Values, operation: Operation) -> Values | None:
    holds = state == (operation.expected,)
    if operation.outcome is Outcome.OK and not operation.result:
        return None if holds else state
    return (operation.value,) if holds else None


class LossyRegister:
    """The state is every value that may be the current one, the newest last."""

    @property
    def initial(self) -> Values:
        return (None,)

    def step(self, state: Values, operation: Operation) -> Values | None:
        match operation.kind:
            case Kind.READ:
                return _up_to(state, operation.result)
            case Kind.WRITE | Kind.DELETE:
                # Readers see a write in sync only once it is safe, or never.
                if operation.ack == IN_SYNC:
                    return (operation.value,)
                return (*state, operation.value)
        raise ValueError(f"a lossy register has no {operation.kind}")


def _up_to(state: Values, read: object) -> Values | None:
    """What was above the value that was read is lost. Of equal ones the newest explains most."""
    for index in range(len(state) - 1, -1, -1):
        if state[index] == read:
            return state[: index + 1]
    return None


def check_register(
    operations: Sequence[Operation],
    model: Model[Values] | None = None,
    steps_max: int = STEPS_MAX,
) -> Explained:
    """Check one key's operations, the first of which found nothing there."""
    return check(without_idle(operations), model or Register(), steps_max)


def without_idle(operations: Sequence[Operation]) -> list[Operation]:
    """Leave out what explains nothing, and would only multiply the search.

    A read of unknown outcome; and a write of unknown outcome whose value nobody saw, unless
    a compare-and-set was refused, which any value explains.
    """
    if any(one.kind is Kind.CAS and one.is_ok and not one.result for one in operations):
        return [one for one in operations if not _is_unknown(one, Kind.READ)]
    seen = {one.result for one in operations if one.kind is Kind.READ and one.is_ok}
    seen |= {one.expected for one in operations if one.kind is Kind.CAS}
    return [
        one
        for one in operations
        if one.outcome is not Outcome.UNKNOWN or (one.kind is not Kind.READ and one.value in seen)
    ]


def _is_unknown(operation: Operation, kind: Kind) -> bool:
    return operation.outcome is Outcome.UNKNOWN and operation.kind is kind


def anomalies_of(check_name: str, key: str, explained: Explained) -> list[Anomaly]:
    if explained.verdict is not Verdict.NOT_LINEARIZABLE:
        return []
    return [Anomaly(check_name, key, f"no order explains this answer: {explained.stuck}")]
