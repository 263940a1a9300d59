"""What one thread counted since it was last asked.

Answers are kept one by one, as three arrays: the oracle judges each of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from shoal.demo.flash_sale.cache_aside import Outcome
from shoal.demo.flash_sale.catalog import Product
from shoal.demo.latency import LatencyHistogram


def _integers() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Answers:
    """Served answers; entry i of each array belongs to one. 24 bytes an answer."""

    product_ids: array[int] = field(default_factory=_integers)
    versions: array[int] = field(default_factory=_integers)
    started_ns: array[int] = field(default_factory=_integers)
    """CLOCK_MONOTONIC before the cache was asked."""

    def add(self, product_id: int, version: int, started_ns: int) -> None:
        self.product_ids.append(product_id)
        self.versions.append(version)
        self.started_ns.append(started_ns)

    def extend(self, other: Answers) -> None:
        self.product_ids.extend(other.product_ids)
        self.versions.extend(other.versions)
        self.started_ns.extend(other.started_ns)

    def __len__(self) -> int:
        return len(self.started_ns)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """(product id, version, start) of each answer."""
        return zip(self.product_ids, self.versions, self.started_ns, strict=True)


@dataclass(slots=True)
class Tally:
    hits: int = 0
    loaded: int = 0
    joined: int = 0
    bypassed: int = 0
    failed: int = 0
    """Reads that neither the cache nor the origin answered."""
    first_failure: str | None = None
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    answers: Answers = field(default_factory=Answers)

    @property
    def reads(self) -> int:
        return self.hits + self.loaded + self.joined + self.bypassed + self.failed

    def served(self, product: Product, outcome: Outcome, *, started_ns: int, ended_ns: int) -> None:
        match outcome:
            case Outcome.HIT:
                self.hits += 1
            case Outcome.LOADED:
                self.loaded += 1
            case Outcome.JOINED:
                self.joined += 1
            case Outcome.BYPASSED:
                self.bypassed += 1
            case _:
                assert_never(outcome)
        self.latency.record((ended_ns - started_ns) // 1_000)
        self.answers.add(product.product_id, product.version, started_ns)

    def failed_with(self, error: Exception) -> None:
        self.failed += 1
        self.first_failure = self.first_failure or str(error)

    def merge(self, other: Tally) -> None:
        self.hits += other.hits
        self.loaded += other.loaded
        self.joined += other.joined
        self.bypassed += other.bypassed
        self.failed += other.failed
        self.first_failure = self.first_failure or other.first_failure
        self.latency.merge(other.latency)
        self.answers.extend(other.answers)
