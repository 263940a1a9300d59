"""A node's ``/metrics`` -> the figures that a coordinator goes by. Pure.

Counters are since the node's start. What a release of before does not tell is 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shoal_coordinator.registry.records import Incarnation, NodeId

_LINE = re.compile(r"(shoal_\w+?)(?:\{([^}]*)\})? ([0-9.eE+-]+|\+?Inf|NaN)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_MEMORY = "shoal_memory_kind_bytes"
_BUCKET = "shoal_request_duration_seconds_bucket"
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


def figures_of(text: str, incarnation: Incarnation) -> NodeFigures:
    """Read the text format of Prometheus, as far as it is of use here."""
    plain: dict[str, float] = {}
    by_label: dict[str, dict[str, float]] = defaultdict(dict)
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, labels, value in _samples(text):
        if not labels:
            plain[name] = value
        elif name == _BUCKET:
            end = labels.get("le", "+Inf")
            if end != "+Inf":
                buckets[labels.get("method", "")].append((float(end), value))
        elif "operation" in labels:
            plain[name] = plain.get(name, 0) + value
        elif len(labels) == 1:
            by_label[name].update(dict.fromkeys(labels.values(), value))
    memory, partitions = by_label[_MEMORY], by_label["shoal_partitions"]
    return NodeFigures(
        incarnation=incarnation,
        memory_bytes=plain.get("shoal_memory_bytes", 0),
        value_bytes=memory.get("keys_and_values", 0),
        operations=plain.get("shoal_operations_total", 0),
        snapshot_bytes=plain.get("shoal_replication_snapshot_bytes_total", 0),
        lease_age_seconds=plain.get("shoal_lease_age_seconds", 0),
        replica_lag_seconds=plain.get("shoal_replica_lag_seconds", 0),
        partitions=sum(partitions.values()),
        partition_memory_bytes=_by_number(by_label["shoal_partition_memory_bytes"]),
        partition_reads=_added(
            _by_number(by_label["shoal_partition_hits_total"]),
            _by_number(by_label["shoal_partition_misses_total"]),
        ),
        durations={method: tuple(sorted(ends)) for method, ends in buckets.items()},
    )


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


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            yield found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])


def _by_number(values: Mapping[str, float]) -> dict[int, float]:
    return {int(name): value for name, value in values.items() if name.isdecimal()}


def _added(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {*one, *other}}
