"""What is due of each partition, kept from view to view: pure.

What is due of a partition follows from its record, from where it is wanted, and from who
is registered. A plan is made of every view, ten a second while partitions move, and most of
them differ from the one before in one record of hundreds: what was found of the others is kept.

Invariant: what is kept from one view to the next is what would be found anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from shoal_coordinator.placement.place import PlacedPartition, Placement
from shoal_coordinator.planning.actions import MarkHandoff, PlanPartition, UpdatePreference
from shoal_coordinator.planning.flights import Flight
from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import UNTAKEN, NodeId, PartitionId, PartitionRecord
from shoal_coordinator.registry.view import (
    ClusterView,
    HeldPartition,
    LiveNode,
    partitions_changed,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Dues:
    """By partition and, but for ``there_of``, in order; what is not due is not there."""

    there_of: Mapping[PartitionId, frozenset[NodeId]]
    """Of each record, the nodes that live in the run in which their copy in sync began."""
    below: frozenset[PartitionId]
    """Those with fewer copies in sync on live nodes than are wanted."""
    flights: Mapping[PartitionId, Flight]
    """What is on its way by what the records say."""
    firsts: Mapping[PartitionId, PlanPartition]
    """Records that are to be."""
    updates: Mapping[PartitionId, UpdatePreference]
    """Records whose new order asks for no new copy."""
    copies: Mapping[PartitionId, tuple[Flight, UpdatePreference]]
    """Records whose new order asks for copies."""
    hand_overs: Mapping[PartitionId, tuple[Flight, MarkHandoff]]
    """Partitions whose live primary shall hand them to the wanted one."""
    wanted: Placement
    """Of what it was found: this placement, these nodes, these records."""
    nodes: Mapping[NodeId, LiveNode]
    records: Mapping[PartitionId, HeldPartition]


@dataclass(frozen=True, slots=True)
class _Due:
    """The same of one partition."""

    there: frozenset[NodeId] | None
    is_below: bool = False
    flight: Flight | None = None
    first: PlanPartition | None = None
    update: UpdatePreference | None = None
    copy: tuple[Flight, UpdatePreference] | None = None
    hand_over: tuple[Flight, MarkHandoff] | None = None


def dues_of(view: ClusterView, wanted: Placement, known: Dues | None = None) -> Dues:
    """``known``: what was found of an earlier view, kept where nothing is another since."""
    places: Iterable[PlacedPartition]
    if known is None or known.wanted is not wanted or known.nodes is not view.nodes:
        known = Dues({}, frozenset(), {}, {}, {}, {}, {}, wanted, view.nodes, {})
        places = wanted.partitions
    elif known.records is view.partitions:
        return known
    else:
        changed = partitions_changed(known.records, view.partitions)
        places = [wanted.partitions[it] for it in changed if it < len(wanted.partitions)]
    found = {it.partition: _due(view, it) for it in places}
    return Dues(
        _with(known.there_of, {it: due.there for it, due in found.items()}),
        (known.below - found.keys()) | {it for it, due in found.items() if due.is_below},
        _in_order(known.flights, {it: due.flight for it, due in found.items()}),
        _in_order(known.firsts, {it: due.first for it, due in found.items()}),
        _in_order(known.updates, {it: due.update for it, due in found.items()}),
        _in_order(known.copies, {it: due.copy for it, due in found.items()}),
        _in_order(known.hand_overs, {it: due.hand_over for it, due in found.items()}),
        wanted,
        view.nodes,
        view.partitions,
    )


def _with(
    known: Mapping[PartitionId, _T], found: Mapping[PartitionId, _T | None]
) -> dict[PartitionId, _T]:
    """With what was found in its place; None: nothing was."""
    there = dict(known)
    for partition, due in found.items():
        if due is not None:
            there[partition] = due
        else:
            there.pop(partition, None)
    return there


def _in_order(
    known: Mapping[PartitionId, _T], found: Mapping[PartitionId, _T | None]
) -> Mapping[PartitionId, _T]:
    if all(due is None and partition not in known for partition, due in found.items()):
        return known
    return dict(sorted(_with(known, found).items(), key=lambda it: it[0]))


def _due(view: ClusterView, place: PlacedPartition) -> _Due:
    held = view.partitions.get(place.partition)
    if held is None:
        return _Due(None, first=_first(place))
    record = held.record
    there = frozenset(
        copy.node
        for copy in record.in_sync
        if copy.node in view.nodes
        and is_of(copy.copy_id, view.nodes[copy.node].registration.incarnation)
    )
    is_below = len(there) < 1 + len(place.replicas)
    update, copy = _rewritten(held, place, there, is_repair=is_below)
    return _Due(
        there,
        is_below,
        _flight(view, record, there, is_repair=is_below),
        update=update,
        copy=copy,
        hand_over=_hand_over(view, held, place, is_repair=is_below),
    )


def _first(place: PlacedPartition) -> PlanPartition:
    return PlanPartition(
        PartitionRecord(
            partition=place.partition,
            epoch=UNTAKEN,
            primary=None,
            primary_incarnation=None,
            replicas=place.replicas,
            in_sync=(),
            preference=place.preference,
        )
    )


def _flight(
    view: ClusterView, record: PartitionRecord, there: frozenset[NodeId], *, is_repair: bool
) -> Flight | None:
    if record.primary is None:
        return None
    copies = record.preference[: 1 + len(record.replicas)]
    targets = {node for node in copies if node in view.nodes and node not in there}
    if record.handoff_to is not None:
        targets.add(record.handoff_to)
    targets.discard(record.primary.node)
    if not targets:
        return None
    return Flight(record.partition, record.primary.node, tuple(sorted(targets)), is_repair)


def _rewritten(
    held: HeldPartition, place: PlacedPartition, there: frozenset[NodeId], *, is_repair: bool
) -> tuple[UpdatePreference | None, tuple[Flight, UpdatePreference] | None]:
    """The record as it is wanted, if it is not: for nothing, or for copies."""
    record = held.record
    if (record.preference, record.replicas) == (place.preference, place.replicas):
        return None, None
    following = record.preference[: 1 + len(record.replicas)]
    copies = place.preference[: 1 + len(place.replicas)]
    # Nodes that would begin to follow.
    targets = [node for node in copies if node not in there and node not in following]
    if record.primary is None or not targets:
        return UpdatePreference(held, place.preference, place.replicas), None
    flight = Flight(place.partition, record.primary.node, tuple(targets), is_repair)
    # One write for both: each is news to every process.
    hands_over = not is_repair and place.preference[0] in targets
    update = UpdatePreference(held, place.preference, place.replicas, hands_over)
    return None, (flight, update)


def _hand_over(
    view: ClusterView, held: HeldPartition, place: PlacedPartition, *, is_repair: bool
) -> tuple[Flight, MarkHandoff] | None:
    record = held.record
    if record.handoff_to is not None or not place.preference:
        return None
    target = place.preference[0]
    if record.primary is None or not view.primary_is_live(record):
        return None
    if record.primary.node == target or record.preference[:1] != (target,):
        return None
    flight = Flight(place.partition, record.primary.node, (target,), is_repair)
    return flight, MarkHandoff(held, target)
