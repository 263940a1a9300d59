"""Rounds: a new load, faults chosen by the seed, everything read back, and judged.

A round is void, which is a failure, when it shows nothing: fewer than 100 answered
operations a second, a fault that did not bite, no promotion where one was due, or entries
that the cache removed by itself.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.soak.checks.judge import Judged, judge
from tools.soak.cluster import Cluster
from tools.soak.history import History, Outcome, write_history
from tools.soak.nemeses import NEMESES, Ground, Struck
from tools.soak.workload import Load, Workload

OPERATIONS_PER_SECOND_MIN = 100
_CALM_SECONDS = 1.0


@dataclass(frozen=True)
class Round:
    """What one round was, and what came of it."""

    number: int
    seed: int
    faults: tuple[Struck, ...]
    seconds: float
    operations_per_second: float
    judged: Judged
    errors: dict[str, int]
    """Of calls that did not succeed, by reason."""
    void: tuple[str, ...]
    """Why it shows nothing; empty where it does."""
    broken: str = ""
    """What the cluster did not do within its time."""
    saved: str = ""

    @property
    def is_good(self) -> bool:
        return not (self.void or self.broken or self.judged.anomalies or self.judged.undecided)


def play(
    cluster: Cluster,
    names: Sequence[str],
    *,
    number: int,
    seed: int,
    copies: int,
    folder: Path,
    load: Load | None = None,
    losses_allowed: bool = True,
) -> Round:
    """Play one round with these nemeses. Raises only where the harness itself fails."""
    rng = random.Random(seed)
    ground = Ground(cluster, rng, copies)
    ground.settle()
    before = cluster.removed_entries()
    workload = Workload(cluster.seeds, load or Load(f"r{number}", seed))
    faults: list[Struck] = []
    broken = ""
    history: History = []
    began = time.monotonic()
    try:
        workload.start()
        time.sleep(_CALM_SECONDS)
        try:
            for name in names:
                faults.append(NEMESES[name](ground))
                ground.settle()
            time.sleep(_CALM_SECONDS)
            history = workload.stop()
            history += workload.read_everything()
        except AssertionError as error:
            broken = str(error)
            history = workload.stop()
    finally:
        workload.close()
    broken = broken or "; ".join(cluster.complaints())
    removed = 0 if broken else cluster.removed_entries() - before
    judged = judge(history, losses_allowed=losses_allowed)
    done = Round(
        number,
        seed,
        tuple(faults),
        time.monotonic() - began,
        workload.operations_per_second,
        judged,
        dict(Counter(one.why for one in history if one.outcome is not Outcome.OK)),
        tuple(_void(faults, workload.operations_per_second, removed, judged)),
        broken,
    )
    if done.is_good:
        return done
    path = folder / f"round-{number}.jsonl"
    write_history(path, history)
    return Round(**{**{name: getattr(done, name) for name in _FIELDS}, "saved": str(path)})


_FIELDS = tuple(Round.__dataclass_fields__)


def _void(
    faults: Sequence[Struck], operations_per_second: float, removed: int, judged: Judged
) -> list[str]:
    found = [fault.void for fault in faults if fault.void]
    if operations_per_second < OPERATIONS_PER_SECOND_MIN:
        found.append(f"only {operations_per_second:.0f} operations a second")
    if removed > 0:
        found.append(f"{removed} entries were evicted or expired: misses prove nothing")
    if judged.adds.unread or judged.primary_adds.unread:
        found.append(f"{judged.adds.unread + judged.primary_adds.unread} adds were never read")
    return found


def chosen(rng: random.Random, known: Sequence[str]) -> list[str]:
    """One to three nemeses for a round."""
    return rng.choices(known, k=rng.choice([1, 1, 2, 3]))
