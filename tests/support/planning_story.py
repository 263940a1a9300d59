"""Tells ``observe`` and ``decide`` a story, and notes the sentences of what they do.

Time is in seconds. Actions take effect at once: what they write is in the next view.
"""

from __future__ import annotations

from dataclasses import replace

from cluster_views import live
from shoal_coordinator.planning.actions import Action, AdmitMember, RefreshMember
from shoal_coordinator.planning.decide import Decision, decide
from shoal_coordinator.planning.memory import NOTHING, Memory, observe
from shoal_coordinator.planning.recorded import wanted_next
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import (
    ClusterConfig,
    Copy,
    CopyId,
    Epoch,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition

CONFIG = ClusterConfig(
    partition_count=4, replica_count=0, lease_ttl_seconds=3, bootstrap_nodes=1, cluster_id="c"
)


class Story:
    """``at`` shows the planner the cluster at a time; the verbs change the cluster."""

    def __init__(self) -> None:
        self.settings = PlanSettings()
        self.view = ClusterView(cluster="test", revision=Revision(1), config=CONFIG)
        self.memory: Memory = NOTHING
        self.waiting: str | None = None
        self._runs: dict[str, int] = {}

    def config(self, **changes: int) -> None:
        assert self.view.config is not None
        self._change(config=replace(self.view.config, **changes))  # type: ignore[arg-type]

    def up(self, *nodes: str, weight: int = 100) -> None:
        """Nodes register, each as a new incarnation."""
        for node in nodes:
            self._runs[node] = self._runs.get(node, 0) + 1
            registered = live(
                node, run=self._runs[node], since=self.view.revision + 1, weight=weight
            )
            self._change(nodes={**self.view.nodes, NodeId(node): registered})

    def leaving(self, node: str) -> None:
        """A node says that it stops."""
        it = self.view.nodes[NodeId(node)]
        marked = replace(it, registration=replace(it.registration, leaving=True))
        self._change(nodes={**self.view.nodes, NodeId(node): marked})

    def down(self, *nodes: str) -> None:
        left = {node: it for node, it in self.view.nodes.items() if node not in nodes}
        self._change(nodes=left)

    def taken(self, partition: int, node: str) -> None:
        """A node takes a partition over, or is handed it."""
        record = self.record(partition)
        copy = self._copy(node)
        handed = record.handoff_to == node
        self._put(
            replace(
                record,
                epoch=Epoch(record.epoch + 1),
                primary=copy,
                primary_incarnation=self.view.nodes[NodeId(node)].registration.incarnation,
                in_sync=(copy,),
                handoff_to=None if handed else record.handoff_to,
            )
        )

    def caught_up(self) -> None:
        """Every live node that is wanted to have a copy has one in sync, and nobody else."""
        for partition, held in sorted(self.view.partitions.items()):
            record = held.record
            if record.primary is None:
                continue
            wanted = record.preference[: 1 + len(record.replicas)]
            others = [n for n in wanted if n in self.view.nodes and n != record.primary.node]
            in_sync = (record.primary, *map(self._copy, others))
            if in_sync != record.in_sync:
                self._put(replace(self.record(partition), in_sync=in_sync))

    def _copy(self, node: str) -> Copy:
        """Its only one in this run."""
        return Copy(NodeId(node), CopyId(f"run{self._runs[node]}-{node}"))

    def taken_as_wanted(self) -> None:
        """Every partition is taken by the first live node of its list."""
        for partition, held in sorted(self.view.partitions.items()):
            if not self.view.primary_is_live(held.record):
                first = next(n for n in held.record.preference if n in self.view.nodes)
                self.taken(partition, first)

    def record(self, partition: int) -> PartitionRecord:
        return self.view.partitions[PartitionId(partition)].record

    def wanted(self) -> dict[int, str]:
        return {p: held.record.preference[0] for p, held in sorted(self.view.partitions.items())}

    def another_leader(self) -> None:
        self.memory = NOTHING

    def at(self, now: float) -> list[str]:
        """The sentences of what is done at that time."""
        return [str(action) for action in self.actions_at(now)]

    def actions_at(self, now: float) -> tuple[Action, ...]:
        decision = self._decide(now)
        for action in decision.actions:
            if isinstance(action, AdmitMember | RefreshMember):
                self._change(members={**self.view.members, action.member.id: action.member})
            else:
                self._put(action.record)
        return decision.actions

    def until(self, now: float, start: float, step: float = 0.25) -> list[str]:
        """Everything that is done from ``start`` to ``now``, shown in steps."""
        done: list[str] = []
        while start <= now:
            done += self.at(start)
            start += step
        return done

    def settled(self, now: float) -> None:
        """Let time pass until nothing is left to do, everything taken as wanted."""
        for step in range(200):
            for partition, held in self.view.partitions.items():
                if held.record.handoff_to is not None:
                    self.taken(partition, held.record.handoff_to)
            self.at(now - 100 + step * 0.5)
            self.taken_as_wanted()
            self.caught_up()
        self.at(now)

    def _decide(self, now: float) -> Decision:
        self.memory = observe(self.view, self.memory, self.settings, now)
        assert self.view.config is not None
        wanted = wanted_next(self.view, self.view.config, self.memory.ring or ())
        decision = decide(self.view, self.memory, wanted, self.settings, now)
        self.memory, self.waiting = decision.memory, decision.waiting
        return decision

    def _put(self, record: PartitionRecord) -> None:
        held = HeldPartition(record, Revision(self.view.revision + 1))
        self._change(partitions={**self.view.partitions, record.partition: held})

    def _change(self, **changes: object) -> None:
        self.view = replace(
            self.view,
            revision=Revision(self.view.revision + 1),
            **changes,  # type: ignore[arg-type]
        )
