"""A node is drained, and at one step of that somebody who takes part is killed.

A step is a record written for a partition that the node has, or had: a copy is asked for,
it is in sync, the partition is to be handed over, it was, the old copy is let go. Whoever
was killed comes back a second later, with nothing in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shoal_coordinator.registry.records import (
    Incarnation,
    NodeId,
    PartitionId,
    PartitionRecord,
    Unclean,
)
from simulation.cluster import Cluster
from simulation.events import SECOND_US, WORLD
from simulation.mutants import Mutant
from simulation.process import driven_by_events

_BACK_US = SECOND_US


class Victim(StrEnum):
    """Who is killed."""

    LEADER = "leader"
    """The coordinator that plans the move."""
    SOURCE = "source"
    """The node that is drained."""
    TARGET = "target"
    """The node that gets the partition."""


@dataclass(frozen=True, slots=True)
class Kill:
    """``step`` counts from 1."""

    step: int
    victim: Victim
    delay_us: int
    """After the record was written."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of it. ``killed`` names the victim; empty: nobody was."""

    steps: int
    killed: str
    broken: list[str]
    handed_over: int


class _Drain:
    """Counts the steps, and kills at one of them."""

    def __init__(self, cluster: Cluster, node: NodeId, kill: Kill | None) -> None:
        self.steps = 0
        self.killed = ""
        self._cluster = cluster
        self._node = node
        self._kill = kill
        self._targets: dict[PartitionId, NodeId] = {}
        self._wrote = cluster.etcd.changed_record
        cluster.etcd.changed_record = self._count

    def _count(self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord) -> None:
        self._wrote(by, old, new)
        if self._node not in {*_nodes(old), *_nodes(new)}:
            return
        self.steps += 1
        others = [node for node in new.preference if node != self._node]
        added = [node for node in others if node not in _nodes(old)]
        target = new.handoff_to or self._targets.get(new.partition) or (added or others)[0]
        self._targets[new.partition] = target
        if self._kill is not None and self.steps == self._kill.step:
            self._cluster.events.after(self._kill.delay_us, WORLD, self._strike, target)

    def _strike(self, target: NodeId) -> None:
        cluster, kill = self._cluster, self._kill
        assert kill is not None
        if kill.victim is Victim.LEADER:
            self.killed = cluster.coordinator.name
            cluster.restart_coordinator()
            return
        self.killed = self._node if kill.victim is Victim.SOURCE else target
        cluster.processes[self.killed].crash()
        cluster.came_or_went()
        cluster.restart_later(self.killed, _BACK_US)

    def what_is_left(self) -> str:
        """Of the drain; empty once it is over."""
        for partition in range(self._cluster.partitions):
            record = self._cluster.etcd.record(partition)
            if self._node in _nodes(record):
                return f"{self._node} was drained and has partition {partition}: {record}"
        return ""


def _nodes(record: PartitionRecord) -> set[NodeId]:
    return {*record.replicas, *(copy.node for copy in record.in_sync)}


def spare_node(seed: int) -> bool:
    """Whether this seed's cluster keeps all its copies without one of its nodes."""
    cluster = Cluster(seed, Mutant.NONE, Unclean.CLEAR)
    return len(cluster.nodes) > 1 + cluster.config.replica_count


def drain_killed(seed: int, kill: Kill | None) -> Drained:
    """Drain a node of this seed's cluster, under load, with one kill or without."""
    cluster = Cluster(seed, Mutant.NONE, Unclean.CLEAR)
    with driven_by_events(), cluster.records.in_use():
        cluster.begin({})
        cluster.settle()
        node = cluster.etcd.record(0).in_sync[0].node
        drain = _Drain(cluster, node, kill)
        cluster.members.drain(node)
        cluster.settle(drain.what_is_left)
        if not cluster.broken:
            cluster.heal()
            cluster.settle()
        cluster.end()
    handed_over = cluster.promises.counts["handed over"]
    return Drained(drain.steps, drain.killed, cluster.broken, handed_over)
