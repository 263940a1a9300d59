"""A node's figures out of its Prometheus text, and what two readings tell together.

The parser reads the text format as far as nodes write it: no timestamps, no
exemplars, no histograms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. Counters count since the node's start."""

    requests: float
    hits: float
    misses: float
    entries: float
    memory_bytes: float
    maxmemory_bytes: float
    lease_age_seconds: float | None
    lease_remaining_seconds: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    at_seconds: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class Rates:
    """Between two readings. None where nothing can be said."""

    operations_per_second: float | None
    hit_ratio: float | None


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield (name, labels, value) of each line that has them."""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        yield match["name"], dict(_LABEL.findall(match["labels"] or "")), value


def figures(text: str) -> Figures | None:
    """Read a node's metrics. None when they are not a node's."""
    totals: dict[str, float] = {}
    for name, labels, value in samples(text):
        # Streams that stay open are connections, not operations.
        if not labels.get("method", "").startswith("Watch"):
            totals[name] = totals.get(name, 0.0) + value
    if "shoal_memory_bytes" not in totals:
        return None
    return Figures(
        requests=totals.get("shoal_requests_total", 0.0),
        hits=totals.get("shoal_hits_total", 0.0),
        misses=totals.get("shoal_misses_total", 0.0),
        entries=totals.get("shoal_entries", 0.0),
        memory_bytes=totals["shoal_memory_bytes"],
        maxmemory_bytes=totals.get("shoal_maxmemory_bytes", 0.0),
        lease_age_seconds=totals.get("shoal_lease_age_seconds"),
        lease_remaining_seconds=totals.get("shoal_lease_remaining_seconds"),
    )


def rates(earlier: Reading | None, later: Reading) -> Rates:
    """What happened between two readings of the same run of a node."""
    if earlier is None or later.at_seconds <= earlier.at_seconds:
        return Rates(None, None)
    before, after = earlier.figures, later.figures
    requests, hits, misses = (
        after.requests - before.requests,
        after.hits - before.hits,
        after.misses - before.misses,
    )
    if min(requests, hits, misses) < 0:
        return Rates(None, None)
    reads = hits + misses
    return Rates(
        operations_per_second=requests / (later.at_seconds - earlier.at_seconds),
        hit_ratio=hits / reads if reads else None,
    )
