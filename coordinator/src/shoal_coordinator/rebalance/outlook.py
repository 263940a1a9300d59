"""What is wanted and not there yet: copies, and partitions served elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shoal_coordinator.placement.place import Placement
from shoal_coordinator.planning.dues import Dues
from shoal_coordinator.planning.flights import Flight
from shoal_coordinator.registry.records import NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView


@dataclass(frozen=True, slots=True)
class CopyDue:
    """A copy that a node shall have and has not in sync. Its data comes from ``source``."""

    source: NodeId
    is_repair: bool


@dataclass(frozen=True, slots=True)
class HandOverDue:
    source: NodeId
    target: NodeId


@dataclass(frozen=True, slots=True)
class Outlook:
    """At one view."""

    copies: Mapping[tuple[PartitionId, NodeId], CopyDue]
    hand_overs: Mapping[PartitionId, HandOverDue]
    flights: Mapping[PartitionId, Flight]
    there_of: Mapping[PartitionId, frozenset[NodeId]]
    primaries: Mapping[PartitionId, NodeId]
    """Of partitions whose primary lives."""

    @property
    def repairs(self) -> int:
        return sum(it.is_repair for it in self.copies.values())

    @property
    def has_moves(self) -> bool:
        """Whether more is left than to give copies where they are lacking."""
        return bool(self.hand_overs) or any(not it.is_repair for it in self.copies.values())

    @property
    def is_moving(self) -> bool:
        return any(not it.is_repair for it in self.flights.values())


def outlook(view: ClusterView, wanted: Placement, dues: Dues) -> Outlook:
    copies: dict[tuple[PartitionId, NodeId], CopyDue] = {}
    hand_overs: dict[PartitionId, HandOverDue] = {}
    primaries: dict[PartitionId, NodeId] = {}
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is None or held.record.primary is None or not place.preference:
            continue
        source = held.record.primary.node
        there = dues.there_of[place.partition]
        is_repair = place.partition in dues.below
        for node in place.preference[: 1 + len(place.replicas)]:
            if node not in there:
                copies[place.partition, node] = CopyDue(source, is_repair)
        if not view.primary_is_live(held.record):
            continue
        primaries[place.partition] = source
        if source != place.preference[0]:
            hand_overs[place.partition] = HandOverDue(source, place.preference[0])
    return Outlook(copies, hand_overs, dues.flights, dues.there_of, primaries)
