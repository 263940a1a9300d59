"""Medians, spread and ratios of repeated measurements. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.loads import Measured

NOISY_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class Comparison:
    """One load on both servers. ``spread`` is (max - min) / median of the ratio."""

    name: str
    shoal_cpu_us: float
    redis_cpu_us: float
    cpu_ratio: float
    cpu_ratio_spread: float
    shoal_per_second: float
    redis_per_second: float

    @property
    def is_noisy(self) -> bool:
        return self.cpu_ratio_spread > NOISY_SPREAD


def compare(name: str, pairs: Sequence[tuple[Measured, Measured]]) -> Comparison:
    """Of (Shoal, Redis) pairs that ran one after the other."""
    ratios = [ours.cpu_us_per_operation / theirs.cpu_us_per_operation for ours, theirs in pairs]
    middle = statistics.median(ratios)
    return Comparison(
        name=name,
        shoal_cpu_us=statistics.median(ours.cpu_us_per_operation for ours, _ in pairs),
        redis_cpu_us=statistics.median(theirs.cpu_us_per_operation for _, theirs in pairs),
        cpu_ratio=middle,
        cpu_ratio_spread=(max(ratios) - min(ratios)) / middle,
        shoal_per_second=statistics.median(ours.per_second for ours, _ in pairs),
        redis_per_second=statistics.median(theirs.per_second for _, theirs in pairs),
    )
