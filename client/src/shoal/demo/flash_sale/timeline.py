"""Counts over time, in bins of equal width. Pure; times are nanoseconds of one clock."""

from __future__ import annotations

from collections.abc import Iterable

BIN_MS = 100
_NS_PER_MS = 1_000_000


class Timeline:
    """Counts what happened in each bin from ``begin_ns`` on.

    What lies before the beginning or after the last bin is left out, and counted in
    ``outside``: the bins never grow.
    """

    def __init__(self, begin_ns: int, *, seconds: float, bin_ms: int = BIN_MS) -> None:
        self._begin_ns = begin_ns
        self._bin_ns = bin_ms * _NS_PER_MS
        bins = -(-round(seconds * 1_000) // bin_ms)
        assert bins >= 1, seconds
        self.counts = [0] * bins
        self.outside = 0

    def add(self, times_ns: Iterable[int]) -> None:
        for time_ns in times_ns:
            index = (time_ns - self._begin_ns) // self._bin_ns
            if 0 <= index < len(self.counts):
                self.counts[index] += 1
            else:
                self.outside += 1


def regroup(counts: list[int], *, size: int) -> list[int]:
    """Adds up every ``size`` neighbours; a shorter rest at the end stands as it is."""
    assert size >= 1, size
    return [sum(counts[at : at + size]) for at in range(0, len(counts), size)]
