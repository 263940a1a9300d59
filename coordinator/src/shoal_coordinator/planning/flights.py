"""What is on its way, and how much more may be: pure.

A partition is on its way while a live node that should have a copy has none in sync, or
while it is to be handed over. Its data comes from its primary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from shoal_coordinator.placement.place import Placement
from shoal_coordinator.registry.copy_ids import mark_of
from shoal_coordinator.registry.records import (
    NodeId,
    PartitionId,
    RebalancePolicy,
)
from shoal_coordinator.registry.view import ClusterView


@dataclass(frozen=True, slots=True)
class Flight:
    """A partition on its way. ``is_repair``: it has fewer copies in sync than are wanted."""

    partition: PartitionId
    source: NodeId
    targets: tuple[NodeId, ...]
    is_repair: bool


def all_in_sync(view: ClusterView) -> dict[PartitionId, frozenset[NodeId]]:
    """By partition: the nodes that live in the run in which their copy in sync began."""
    begins = {
        node: f"{mark_of(live.registration.incarnation)}-" for node, live in view.nodes.items()
    }
    nobodys = "-"
    return {
        partition: frozenset(
            copy.node
            for copy in held.record.in_sync
            if copy.copy_id.startswith(begins.get(copy.node, nobodys))
        )
        for partition, held in view.partitions.items()
    }


def in_flight(
    view: ClusterView,
    wanted: Placement,
    there_of: Mapping[PartitionId, frozenset[NodeId]],
    below: Collection[PartitionId],
) -> tuple[Flight, ...]:
    """Return what is on its way by what the records say, ordered by partition.

    ``there_of``: as ``all_in_sync``.
    """
    flights = []
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is None or held.record.primary is None:
            continue
        record, source = held.record, held.record.primary.node
        there = there_of[place.partition]
        copies = record.preference[: 1 + len(record.replicas)]
        if record.handoff_to is None and there.issuperset(copies):
            continue
        targets = {node for node in copies if node in view.nodes and node not in there}
        if record.handoff_to is not None:
            targets.add(record.handoff_to)
        targets.discard(source)
        if targets:
            is_repair = place.partition in below
            flights.append(Flight(place.partition, source, tuple(sorted(targets)), is_repair))
    return tuple(flights)


class Budget:
    """How many moves may still begin. Every limit holds: cluster, node, pair of zones."""

    def __init__(
        self, policy: RebalancePolicy, zone_of: Mapping[NodeId, str], flights: Iterable[Flight]
    ) -> None:
        self._policy = policy
        self._zone_of = zone_of
        self._repairs = 0
        self._moving: set[PartitionId] = set()
        self._by_node: Counter[NodeId] = Counter()
        self._by_zones: Counter[tuple[str, str]] = Counter()
        for flight in flights:
            self._count(flight)

    def admit(self, flight: Flight) -> bool:
        """Count the flight in if there is room for it. One that flies has its room."""
        if flight.partition in self._moving:
            return True
        policy = self._policy
        if flight.is_repair:
            fits = self._repairs < policy.repairs_max
        else:
            nodes = (flight.source, *flight.targets)
            fits = (
                len(self._moving) < policy.moves_max
                and all(self._by_node[it] < policy.moves_per_node_max for it in nodes)
                and all(
                    self._by_zones[pair] < policy.moves_per_zone_pair_max
                    for pair in self._pairs(flight)
                )
            )
        if fits:
            self._count(flight)
        return fits

    def _count(self, flight: Flight) -> None:
        if flight.is_repair:
            self._repairs += 1
            return
        self._moving.add(flight.partition)
        self._by_node.update((flight.source, *flight.targets))
        self._by_zones.update(self._pairs(flight))

    def _pairs(self, flight: Flight) -> set[tuple[str, str]]:
        source = self._zone_of.get(flight.source, "")
        return {(source, self._zone_of.get(target, "")) for target in flight.targets}
