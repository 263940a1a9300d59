"""A latency histogram that threads and processes can add up.

Buckets are logarithmic with 32 linear steps per power of two, as in HdrHistogram: exact
below 64 us, within 1/32 (3.2 %) above, whatever the range. A quantile is the upper edge
of its bucket, so that it never flatters. Memory is bounded by the number of different
buckets: about 600 for everything from 1 us to a minute.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_STEP_BITS = 5
_STEPS = 1 << _STEP_BITS


def bucket_of(microseconds: int) -> int:
    """The bucket of a latency; negative ones count as 0."""
    value = max(0, microseconds)
    shift = max(0, value.bit_length() - _STEP_BITS - 1)
    return (shift << _STEP_BITS) + (value >> shift)


def upper_edge_of(bucket: int) -> int:
    """The highest latency, in microseconds, that falls into ``bucket``."""
    shift = max(0, (bucket >> _STEP_BITS) - 1)
    return ((bucket - (shift << _STEP_BITS) + 1) << shift) - 1


@dataclass(slots=True)
class LatencyHistogram:
    """Counts per bucket. Not thread-safe: each thread keeps its own, then they are merged."""

    counts: Counter[int] = field(default_factory=Counter)

    def record(self, microseconds: int) -> None:
        self.counts[bucket_of(microseconds)] += 1

    def merge(self, other: LatencyHistogram) -> None:
        self.counts.update(other.counts)

    @property
    def total(self) -> int:
        return self.counts.total()

    def quantile_ms(self, quantile: float) -> float:
        """The latency that this share of all recorded ones does not exceed; 0.0 if none."""
        assert 0.0 < quantile <= 1.0, quantile
        rank = math.ceil(quantile * self.total)
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return upper_edge_of(bucket) / 1_000
        return 0.0
