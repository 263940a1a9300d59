"""From samples of a node's memory to a verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OVERSHOOT_MAX = 1.10
"""Resident memory over ``maxmemory``: the promise."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A node at one moment. Times are seconds since the load began."""

    at_seconds: float
    resident_bytes: int
    counted_bytes: int
    """As the node counts its data."""
    entries: int
    operations: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """``peak``: the highest resident memory that the system saw, over maxmemory.
    ``is_full``: data was dropped for want of room during the soak; otherwise the bound was
    never put to the test."""

    maxmemory_bytes: int
    peak: float
    median: float
    operations: int
    is_full: bool

    @property
    def holds(self) -> bool:
        return self.is_full and self.peak <= OVERSHOOT_MAX

    def __str__(self) -> str:
        if not self.is_full:
            return "void: memory never filled up; let it run longer or give less maxmemory"
        word = "holds" if self.holds else "does NOT hold"
        return (
            f"RSS / maxmemory: median {self.median:.3f}, peak {self.peak:.3f}; "
            f"at most {OVERSHOOT_MAX:.2f} {word} over {self.operations:,} operations"
        )


def judge(
    samples: Sequence[Sample], maxmemory_bytes: int, peak_bytes: int, evicted: int
) -> Verdict:
    """Judge the whole soak: there is no warm-up in which more is allowed, and what was
    high between two samples counts."""
    if not samples:
        raise ValueError("a soak without samples has no verdict")
    shares = sorted(sample.resident_bytes / maxmemory_bytes for sample in samples)
    return Verdict(
        maxmemory_bytes=maxmemory_bytes,
        peak=max(peak_bytes / maxmemory_bytes, shares[-1]),
        median=shares[len(shares) // 2],
        operations=samples[-1].operations,
        is_full=evicted > 0,
    )
