"""What ``shoal top`` shows: each node's work between two looks, busiest first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.cli.figures import Figures, Rates, Reading, rates


@dataclass(frozen=True, slots=True)
class Seen:
    """A node at one look. ``reading``: None where it did not tell."""

    id: str
    primaries: int
    replicas: int
    is_up: bool
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Line:
    """A node between two looks. ``figures``: None where it did not tell."""

    id: str
    state: str
    primaries: int
    replicas: int
    figures: Figures | None
    rates: Rates

    def as_json(self) -> dict[str, Any]:
        """Names carry units; what is not known is null."""
        told = self.figures
        return {
            "node": self.id,
            "state": self.state,
            "primary_partitions": self.primaries,
            "replica_partitions": self.replicas,
            "operations_per_second": self.rates.operations_per_second,
            "hit_ratio": self.rates.hit_ratio,
            "entries": None if told is None else int(told.entries),
            "memory_bytes": None if told is None else int(told.memory_bytes),
            "maxmemory_bytes": None if told is None else int(told.maxmemory_bytes),
            "lease_age_seconds": None if told is None else told.lease_age_seconds,
        }


def lines(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[Line]:
    """Return a line for each node of the later look; the busiest first, then by name."""
    found = [_line(before.get(node), seen) for node, seen in after.items()]
    return sorted(found, key=lambda line: (-(line.rates.operations_per_second or 0.0), line.id))


def _line(before: Seen | None, seen: Seen) -> Line:
    earlier = None if before is None else before.reading
    is_told = seen.reading is not None
    return Line(
        id=seen.id,
        state="down" if not seen.is_up else "up" if is_told else "silent",
        primaries=seen.primaries,
        replicas=seen.replicas,
        figures=None if seen.reading is None else seen.reading.figures,
        rates=Rates(None, None) if seen.reading is None else rates(earlier, seen.reading),
    )
