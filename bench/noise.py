"""Whether a comparison can be believed, and if not, why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.machine import Interference
from bench.sample import Sample

RATIO_SPREAD_MAX = 0.25
STOLEN_MAX = 0.02
OTHERS_MAX = 0.15
LOADER_BUSY = 0.95
PAIRS_MIN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons``: one sentence each; none, and the figures can be quoted."""

    reasons: tuple[str, ...]

    @property
    def is_noisy(self) -> bool:
        return bool(self.reasons)

    @property
    def sentence(self) -> str:
        if not self.is_noisy:
            return ""
        return "too noisy to tell: " + "; ".join(self.reasons)


def judge(ratios: Sample, during: Sequence[Interference], core_count: int) -> Verdict:
    """Of one comparison: the ratios of its pairs, and what happened beside each measurement.

    The ratio's spread is what matters: both of a pair ran one after the other, so what
    slows the whole machine cancels out. The rest says where the spread comes from, and is a
    reason by itself when it is large enough to bend both figures.
    """
    reasons = []
    if ratios.count < PAIRS_MIN:
        reasons.append(f"{ratios.count} repetitions are too few, take at least {PAIRS_MIN}")
    if ratios.spread > RATIO_SPREAD_MAX:
        reasons.append(
            f"the figure ranges from {ratios.low:.2f} to {ratios.high:.2f}, "
            f"{ratios.spread:.0%} of its median"
        )
    if during:
        stolen = max(each.stolen for each in during)
        if stolen > STOLEN_MAX:
            reasons.append(f"the hypervisor took {stolen:.0%} of a core")
        others = Sample.of([each.others for each in during]).median
        if others > OTHERS_MAX:
            reasons.append(f"other processes took {others:.0%} of a core")
        load = max(each.load_average for each in during)
        if load > core_count + 1:
            reasons.append(f"the load average was {load:.1f} on {core_count} cores")
    return Verdict(tuple(reasons))


def bottleneck(loader_share: float, server_share: float) -> str:
    """A sentence where the loader held the server up; shares are of a core each. Pure."""
    if loader_share < LOADER_BUSY or server_share >= LOADER_BUSY:
        return ""
    return (
        f"the loader was busy ({loader_share:.0%} of its core, the server {server_share:.0%}): "
        "the throughput is the loader's"
    )
