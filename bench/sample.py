"""Repeated measurements of one quantity: median and spread. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """``low`` and ``high`` are the extremes; nothing is thrown away."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        if not values:
            raise ValueError("there is no median of nothing")
        return cls(statistics.median(values), min(values), max(values), len(values))

    @property
    def spread(self) -> float:
        """(high - low) / median; 0 of a median of 0."""
        return (self.high - self.low) / self.median if self.median else 0.0
