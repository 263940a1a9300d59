"""Which partitions begin to move, and which are taken back: pure.

A record whose new order asks for no copy that is not there is written at once. What asks
for one is a move, or a repair if copies are lacking. Repairs go first, and as many at a
time as the policy says; moves begin only where ``permission`` lets them, within the
policy's limits, to nodes that have been up for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shoal_coordinator.placement.place import PlacedPartition, Placement
from shoal_coordinator.planning.actions import MarkHandoff, UpdatePreference
from shoal_coordinator.planning.flights import Budget, Flight, all_in_sync, in_flight
from shoal_coordinator.planning.permission import (
    Health,
    Permission,
    Verdict,
    health_of,
    is_cancelled,
    permission,
)
from shoal_coordinator.registry.records import NodeId, PartitionId, RebalancePolicy
from shoal_coordinator.registry.view import ClusterView, HeldPartition


@dataclass(frozen=True, slots=True)
class Traffic:
    """What moves, and what may."""

    policy: RebalancePolicy
    there_of: Mapping[PartitionId, frozenset[NodeId]]
    """By partition, the nodes with a copy in sync."""
    health: Health
    flights: Mapping[PartitionId, Flight]
    permission: Permission

    @classmethod
    def of(
        cls, view: ClusterView, wanted: Placement, policy: RebalancePolicy, utc_minute: int
    ) -> Traffic:
        there_of = all_in_sync(view)
        health = health_of(view, wanted, there_of)
        flights = {it.partition: it for it in in_flight(view, wanted, there_of, health.below)}
        return cls(
            policy,
            there_of,
            health,
            flights,
            permission(policy, health, utc_minute, cancelled=is_cancelled(policy, view)),
        )

    def budget(self, view: ClusterView) -> Budget:
        zone_of = {member.id: member.zone for member in view.members.values()}
        return Budget(self.policy, zone_of, self.flights.values())


def differs(held: HeldPartition, place: PlacedPartition) -> bool:
    return (held.record.preference, held.record.replicas) != (place.preference, place.replicas)


def new_copies(held: HeldPartition, place: PlacedPartition, traffic: Traffic) -> list[NodeId]:
    """Nodes that would begin to follow if the record were written as it is wanted."""
    record = held.record
    if record.primary is None:
        return []
    there = traffic.there_of[place.partition]
    following = record.preference[: 1 + len(record.replicas)]
    wanted = place.preference[: 1 + len(place.replicas)]
    return [node for node in wanted if node not in there and node not in following]


def free_updates(
    view: ClusterView, wanted: Placement, traffic: Traffic
) -> Iterator[UpdatePreference]:
    """Records whose new order asks for no new copy."""
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is not None and differs(held, place) and not new_copies(held, place, traffic):
            yield UpdatePreference(held, place.preference, place.replicas)


def copies_to_make(
    view: ClusterView, wanted: Placement, traffic: Traffic
) -> Iterator[tuple[Flight, UpdatePreference]]:
    """Records whose new order asks for copies: repairs first, then by partition."""
    found = []
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is None or held.record.primary is None or not differs(held, place):
            continue
        targets = new_copies(held, place, traffic)
        if targets:
            is_repair = place.partition in traffic.health.below
            source = held.record.primary.node
            flight = Flight(place.partition, source, tuple(targets), is_repair)
            # One write for both: each is news to every process.
            hands_over = not is_repair and place.preference[0] in targets
            update = UpdatePreference(held, place.preference, place.replicas, hands_over)
            found.append((flight, update))
    found.sort(key=lambda it: not it[0].is_repair)
    yield from found


def hand_overs(
    view: ClusterView, wanted: Placement, traffic: Traffic
) -> Iterator[tuple[Flight, MarkHandoff]]:
    """Partitions whose live primary shall hand them to the wanted one."""
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is None or held.record.handoff_to is not None or not place.preference:
            continue
        record, target = held.record, place.preference[0]
        if record.primary is None or not view.primary_is_live(record):
            continue
        if record.primary.node == target or record.preference[:1] != (target,):
            continue
        is_repair = place.partition in traffic.health.below
        flight = Flight(place.partition, record.primary.node, (target,), is_repair)
        yield flight, MarkHandoff(held, target)


def taken_back(view: ClusterView, traffic: Traffic) -> Iterator[UpdatePreference]:
    """Records of moves under way, as they were before: wanted where copies are in sync."""
    if traffic.permission.verdict is not Verdict.TAKE_BACK:
        return
    for partition, flight in traffic.flights.items():
        held = view.partitions[partition]
        record = held.record
        copies = 1 + len(record.replicas)
        there = traffic.there_of[partition]
        assert record.primary is not None
        if flight.is_repair or record.primary.node not in there or len(there) < copies:
            continue
        order = (record.primary.node, *(copy.node for copy in record.in_sync))
        keep = [node for node in dict.fromkeys(order) if node in there][:copies]
        rest = [node for node in record.preference if node not in keep]
        preference = (*keep, *rest)[: max(len(record.preference), copies)]
        if preference != record.preference:
            yield UpdatePreference(held, preference, preference[1:copies])
