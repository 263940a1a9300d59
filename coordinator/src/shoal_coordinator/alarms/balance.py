"""How unevenly nodes and partitions are used: the worst beside the fair one. Pure.

Of nodes that take a share a value of 1.0 is what the node's weight says; of partitions it is
the mean. Where there is too little altogether to matter, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shoal_coordinator.alarms.alarm import Alarm, Level, Thresholds, judged, unknown
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.survey.figures import Survey, grown

_MIB = 1 << 20
_OF_NODES = Thresholds(1.5, 3)
_OF_PARTITIONS = Thresholds(8, 32)
_NODE_BYTES_MIN = 64 * _MIB
_NODE_OPERATIONS_MIN = 100
_PARTITION_BYTES_MIN = _MIB
_PARTITION_READS_MIN = 5
_WEIGH = "compare `shoal ring` with the nodes' sizes; `shoal node weight` changes a share"
_SPLIT = "`shoal hotkeys` and `shoal bigkeys` tell which keys; spread them over more keys"


@dataclass(frozen=True, slots=True)
class Worst:
    """``ratio``: of the worst to what is fair. ``mean`` says whether it matters."""

    name: str
    ratio: float
    mean: float


def imbalances(view: ClusterView, before: Survey | None, after: Survey | None) -> Iterator[Alarm]:
    weights = {
        member.id: float(member.weight)
        for member in view.members.values()
        if member.takes_a_share and after is not None and member.id in after.nodes
    }
    memory: dict[str, float] = {}
    values: dict[str, float] = {}
    operations: dict[str, float] | None = None
    partition_memory: dict[str, float] = {}
    partition_reads: dict[str, float] | None = None
    if after is not None:
        told = {node: after.nodes[node] for node in weights}
        memory = {node: it.memory_bytes for node, it in told.items()}
        values = {node: it.value_bytes for node, it in told.items()}
        for it in after.nodes.values():
            partition_memory |= {str(p): size for p, size in it.partition_memory_bytes.items()}
        seconds = 0.0 if before is None else after.at - before.at
        if before is not None and seconds > 0:
            operations = {
                node: grown(before.nodes.get(node), it, "operations") / seconds
                for node, it in told.items()
            }
            partition_reads = _reads(before, after, seconds)
    shares = {str(node): weight for node, weight in weights.items()}
    yield _of("node", "memory", memory, shares, _NODE_BYTES_MIN)
    yield _of("node", "bytes", values, shares, _NODE_BYTES_MIN)
    yield _of("node", "operations", operations, shares, _NODE_OPERATIONS_MIN)
    even = dict.fromkeys(partition_memory, 1.0)
    yield _of("partition", "memory", partition_memory, even, _PARTITION_BYTES_MIN)
    even = dict.fromkeys(partition_reads or {}, 1.0)
    yield _of("partition", "reads", partition_reads, even, _PARTITION_READS_MIN)


def worst(values: Mapping[str, float], shares: Mapping[str, float]) -> Worst | None:
    """``shares``: of every name, above 0. None of nothing."""
    total, parts = sum(values.values()), sum(shares.values())
    if not values:
        return None
    mean = total / len(values)
    if total <= 0:
        return Worst(next(iter(values)), 1.0, 0.0)
    ratio, name = max((values[it] / (total * shares[it] / parts), it) for it in values)
    return Worst(name, ratio, mean)


def _of(
    kind: str,
    what: str,
    values: Mapping[str, float] | None,
    shares: Mapping[str, float],
    mean_min: float,
) -> Alarm:
    name = f"{kind}_{what}_imbalance"
    thresholds = _OF_NODES if kind == "node" else _OF_PARTITIONS
    found = None if values is None else worst(values, shares)
    if found is None:
        why = f"{what} of {kind}s is not known"
        if kind == "partition" and values is not None:
            # Clusters of many partitions do not tell of each.
            return Alarm(name, Level.OK, None, thresholds, f"{why}: nodes do not tell it")
        return unknown(name, thresholds, why, "ask again in some seconds")
    beside = "its weight says" if kind == "node" else "the mean"
    says = f"{kind} {found.name} has {found.ratio:.2f} times the {what} that {beside}"
    if kind == "partition":
        says = f"partition {found.name} has {found.ratio:.2f} times the mean's {what}"
    if found.mean < mean_min:
        return Alarm(name, Level.OK, found.ratio, thresholds, f"{says}, of little altogether")
    advice = _WEIGH if kind == "node" and what != "operations" else _SPLIT
    return judged(name, found.ratio, thresholds, says=says, fine=says, advice=advice)


def _reads(before: Survey, after: Survey, seconds: float) -> dict[str, float]:
    """A second, by partition, on nodes that served it at both looks."""
    reads: dict[str, float] = {}
    for node, figures in after.nodes.items():
        earlier = before.nodes.get(node)
        if earlier is None or earlier.incarnation != figures.incarnation:
            continue
        for partition, count in figures.partition_reads.items():
            if partition in earlier.partition_reads:
                grew = max(count - earlier.partition_reads[partition], 0.0)
                reads[str(partition)] = grew / seconds
    return reads
