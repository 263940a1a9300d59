"""A node's ``/figures`` -> the figures that a coordinator goes by. Pure.

Counters are since the node's start. What a release of before does not tell is 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from shoal_coordinator.registry.records import Incarnation, NodeId

_NUMBERS = (
    "memory_bytes",
    "value_bytes",
    "operations",
    "snapshot_bytes",
    "lease_age_seconds",
    "replica_lag_seconds",
    "partitions",
)
_P99 = 0.99
_REQUESTS_MIN = 200
"""Of fewer requests a 99th percentile says little."""
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node at one moment."""

    incarnation: Incarnation
    memory_bytes: float = 0
    value_bytes: float = 0
    """Keys and values alone."""
    operations: float = 0
    snapshot_bytes: float = 0
    """Sent."""
    lease_age_seconds: float = 0
    replica_lag_seconds: float = 0
    """Of the copy that is furthest behind this node."""
    partitions: float = 0
    """Served and followed here."""
    partition_memory_bytes: Mapping[int, float] = field(default_factory=dict)
    """Of those that are served here; empty where the cluster has too many to tell."""
    partition_reads: Mapping[int, float] = field(default_factory=dict)
    durations: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """By method: ends of buckets in seconds, ascending, and how many took no longer."""

    def bytes_of(self, partition: int) -> float:
        """What a partition that is served here takes; a usual one's share where it is not told."""
        told = self.partition_memory_bytes.get(partition)
        return self.memory_bytes / max(self.partitions, 1) if told is None else told


@dataclass(frozen=True, slots=True)
class Survey:
    """All nodes at about one moment, in seconds on a clock that never falls."""

    at: float
    nodes: Mapping[NodeId, NodeFigures] = field(default_factory=dict)
    silent: frozenset[NodeId] = frozenset()
    """Live by the registry, and did not tell."""


def figures_of(body: bytes, incarnation: Incarnation) -> NodeFigures:
    """What a node has told of itself. What it left out is 0. Raises ValueError."""
    told = json.loads(body)
    try:
        return NodeFigures(
            incarnation=incarnation,
            **{name: float(told[name]) for name in _NUMBERS if name in told},
            partition_memory_bytes=_by_number(told.get("partition_memory_bytes", {})),
            partition_reads=_by_number(told.get("partition_reads", {})),
            durations={
                method: tuple((float(end), float(count)) for end, count in ends)
                for method, ends in told.get("durations", {}).items()
            },
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"the figures of a node are not what they should be: {error}") from error


def grown(before: NodeFigures | None, after: NodeFigures, counter: str) -> float:
    """By how much a counter has grown; all of it where the node has started meanwhile."""
    now: float = getattr(after, counter)
    if before is None or before.incarnation != after.incarnation:
        return now
    return max(now - float(getattr(before, counter)), 0.0)


def p99_ns(before: NodeFigures, after: NodeFigures, method: str) -> int | None:
    """At most so long took 99 of 100 requests between the two; None of too few requests."""
    if before.incarnation != after.incarnation:
        return None
    earlier = dict(before.durations.get(method, ()))
    ends = [(end, count - earlier.get(end, 0)) for end, count in after.durations.get(method, ())]
    total = ends[-1][1] if ends else 0
    if total < _REQUESTS_MIN:
        return None
    return next(round(end * _NANOSECONDS) for end, count in ends if count >= _P99 * total)


def _by_number(values: Mapping[str, float]) -> dict[int, float]:
    return {int(name): float(value) for name, value in values.items()}
