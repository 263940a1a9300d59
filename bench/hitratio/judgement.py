"""What was found for one load at one size, and whether it is good enough. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WORST_RATIO_MAX = 1.02
MEAN_RATIO_MAX = 0.92
REFERENCE_RATIO_MAX = 1.03


@dataclass(frozen=True, slots=True)
class Reference:
    """One policy of ours beside the simulator's, at as many entries as ours held."""

    policy: str
    entries: int
    miss_ratio: float
    simulated: float

    @property
    def ratio(self) -> float:
        return self.miss_ratio / self.simulated


@dataclass(frozen=True, slots=True)
class EqualEntries:
    """All at as many entries as Redis held. ``exact_lru`` and ``s3fifo``: simulated."""

    shoal: float
    exact_lru: float
    s3fifo: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One load at one size. Both real caches had ``budget_bytes`` beyond being empty."""

    load: str
    percent: int
    budget_bytes: int
    redis_entries: int
    redis: float
    shoal_entries: int
    shoal: float
    references: tuple[Reference, ...]
    equal_entries: EqualEntries | None

    @property
    def ratio(self) -> float:
        return self.shoal / self.redis


@dataclass(frozen=True, slots=True)
class Verdict:
    """``bound``: None where the figure is only told."""

    name: str
    figure: float
    bound: float | None
    where: str

    @property
    def holds(self) -> bool | None:
        return None if self.bound is None else self.figure <= self.bound


def verdicts(cells: Sequence[Cell]) -> list[Verdict]:
    """Against the real Redis, against the simulator, and against an LRU that is exact."""
    worst = max(cells, key=lambda cell: cell.ratio)
    found = [
        Verdict("s3fifo / Redis, worst", worst.ratio, WORST_RATIO_MAX, _place(worst)),
        Verdict(
            "s3fifo / Redis, mean",
            statistics.fmean(cell.ratio for cell in cells),
            MEAN_RATIO_MAX,
            "all",
        ),
    ]
    for policy in dict.fromkeys(ours.policy for cell in cells for ours in cell.references):
        ratio, place = max(
            (ours.ratio, _place(cell))
            for cell in cells
            for ours in cell.references
            if ours.policy == policy
        )
        name = f"{policy} / libCacheSim, worst"
        found.append(Verdict(name, ratio, REFERENCE_RATIO_MAX, place))
    exact = [
        (cell.equal_entries.shoal / cell.equal_entries.exact_lru, _place(cell))
        for cell in cells
        if cell.equal_entries is not None
    ]
    if exact:
        ratio, place = max(exact)
        mean = statistics.fmean(ratio for ratio, _ in exact)
        found += [
            Verdict("s3fifo / exact LRU, worst", ratio, None, place),
            Verdict("s3fifo / exact LRU, mean", mean, None, "all"),
        ]
    return found


def _place(cell: Cell) -> str:
    return f"{cell.load}, {cell.percent} %"
