"""``decide``: what to do about a view. Pure.

In this order: members, first records, withdrawn handoffs, changed preferences, new
handoffs. The last wait until everything before them is done. Decided again from
every view, so whatever is lost on the way is decided anew; each write compares the
revision that it was decided by, so what is outdated cannot win.

A move carries its data: the target follows because the record names it, gets in sync,
and is handed the partition. That costs a copy of it, so moves begin only once the ring
has been steady for a while, only to nodes that have been, and a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from shoal_coordinator.placement.place import Placement
from shoal_coordinator.planning.actions import (
    Action,
    AdmitMember,
    ClearHandoff,
    MarkHandoff,
    PartitionAction,
    PlanPartition,
    RefreshMember,
    UpdatePreference,
)
from shoal_coordinator.planning.memory import Memory
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Member,
    MemberState,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, what to remember, and what is being waited for, as a sentence."""

    actions: tuple[Action, ...]
    memory: Memory
    waiting: str | None = None


def decide(
    view: ClusterView, memory: Memory, wanted: Placement, settings: PlanSettings, now: float
) -> Decision:
    """Decide by a memory that has observed this very view.

    ``wanted`` is the placement of ``memory.ring``. ``now`` as for ``observe``.
    """
    assert memory.ring is not None, "observe the view first"
    if view.config is None:
        return Decision((), memory, "waiting for the cluster's configuration")
    members = tuple(_members(view))
    if members:
        # The ring is about to change with them.
        return Decision(members, memory)
    assert len(wanted.partitions) == view.config.partition_count
    waiting = _why_not_yet(view, view.config, memory, settings, now)
    if waiting is not None:
        return Decision(tuple(_withdrawn(view, memory, settings, now)), memory, waiting)
    plans = _plans(view, memory, wanted, settings, now)
    actions = tuple(islice(plans, settings.writes_per_round_max))
    if actions:
        return Decision(actions, memory)
    handoffs = tuple(_handoffs(view, memory, settings, now))
    if handoffs:
        return Decision(handoffs, replace(memory, round_began=now))
    return Decision((), memory)


def _members(view: ClusterView) -> Iterator[Action]:
    for node, live in sorted(view.nodes.items()):
        registration = live.registration
        member = view.members.get(node)
        if member is None:
            yield AdmitMember(
                Member(node, MemberState.ACTIVE, registration.weight, registration.zone)
            )
        elif (member.weight, member.zone) != (registration.weight, registration.zone):
            # Nothing but a node's own flags sets them so far.
            yield RefreshMember(replace(member, weight=registration.weight, zone=registration.zone))


def _why_not_yet(
    view: ClusterView, config: ClusterConfig, memory: Memory, settings: PlanSettings, now: float
) -> str | None:
    ring = memory.ring or ()
    if not ring:
        return "waiting for a node that can own partitions"
    if not view.partitions:
        up = sum(1 for member in ring if memory.presences[member.id].is_up)
        if up < config.bootstrap_nodes:
            return f"waiting for nodes: {up} of {config.bootstrap_nodes} are here"
    if now - memory.ring_since < settings.settle_seconds:
        return "waiting for the membership to settle"
    return None


def _plans(
    view: ClusterView, memory: Memory, wanted: Placement, settings: PlanSettings, now: float
) -> Iterator[PartitionAction]:
    for place in wanted.partitions:
        if place.partition not in view.partitions:
            yield PlanPartition(
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
    withdrawn = {
        action.held.record.partition: action for action in _withdrawn(view, memory, settings, now)
    }
    yield from withdrawn.values()
    for place in wanted.partitions:
        held = view.partitions.get(place.partition)
        if held is None or place.partition in withdrawn:
            continue
        if (held.record.preference, held.record.replicas) != (place.preference, place.replicas):
            yield UpdatePreference(held, place.preference, place.replicas)


def _withdrawn(
    view: ClusterView, memory: Memory, settings: PlanSettings, now: float
) -> Iterator[ClearHandoff]:
    for partition in sorted(memory.handoffs):
        held = view.partitions[partition]
        why = _why_withdrawn(view, memory, partition, held, settings, now)
        if why is not None:
            yield ClearHandoff(held, why)


def _why_withdrawn(
    view: ClusterView,
    memory: Memory,
    partition: PartitionId,
    held: HeldPartition,
    settings: PlanSettings,
    now: float,
) -> str | None:
    target, since = memory.handoffs[partition]
    record = held.record
    if record.primary is not None and record.primary.node == target:
        return "it is there already"
    if target not in view.nodes:
        return "that node is down"
    if view.nodes[target].registration.leaving:
        return "that node is leaving"
    if target not in record.preference[:1]:
        return "the ring wants it elsewhere"
    if now - since >= settings.handoff_timeout_seconds and view.primary_is_live(record):
        return f"it has not come about within {settings.handoff_timeout_seconds:g} s"
    return None


def _handoffs(
    view: ClusterView, memory: Memory, settings: PlanSettings, now: float
) -> Iterator[MarkHandoff]:
    """Begin moves, where all records say what the ring wants."""
    if now - memory.ring_since < settings.handoff_settle_seconds:
        return
    if now - memory.round_began < settings.handoff_round_seconds:
        return
    free = settings.handoffs_in_flight_max - len(memory.handoffs)
    yield from islice(_misplaced(view, memory, settings, now), max(free, 0))


def _misplaced(
    view: ClusterView, memory: Memory, settings: PlanSettings, now: float
) -> Iterator[MarkHandoff]:
    steady = {
        node
        for node, presence in memory.presences.items()
        if presence.is_steady(settings, now, settings.handoff_settle_seconds)
    }
    for _, held in sorted(view.partitions.items()):
        target = _target_of(view, held.record)
        if target in steady:
            yield MarkHandoff(held, target)


def _target_of(view: ClusterView, record: PartitionRecord) -> NodeId | None:
    """To whom the partition's live primary shall hand it, if to anybody."""
    if record.handoff_to is not None or record.primary is None or not record.preference:
        return None
    wanted = record.preference[0]
    if record.primary.node == wanted or not view.primary_is_live(record):
        return None
    return wanted
