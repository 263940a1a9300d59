"""What the planner remembers from view to view: since when things are as they are.

A new leader begins with ``NOTHING`` and counts anew. That errs towards waiting.

On flapping. A node that is down for less than the grace keeps its place on the
ring, so a restart changes no placement; others cover for it meanwhile. What comes
back to it is moved back, cold, so it must first have been up for a while, and that
while doubles with each restart within a window: a node that restarts every half
minute soon gets nothing back until it has stayed up for two minutes. The same wait
stands before a node that had left the ring returns to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.planning.dues import Dues
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.records import (
    Incarnation,
    NodeId,
    PartitionId,
)
from shoal_coordinator.registry.view import ClusterView

_STARTS_MAX = 16
"""More restarts than these within the window make no difference."""
LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
class Presence:
    """A node's coming and going. ``since`` is when it was first seen up, or first seen down."""

    incarnation: Incarnation | None
    """The one that is, or was, up."""
    is_up: bool
    since: float
    starts: tuple[float, ...] = ()
    """When it came back, or came as another incarnation, lately."""

    def patience_seconds(self, settings: PlanSettings, now: float) -> float:
        """For how long it must be up before it is trusted again."""
        lately = sum(1 for start in self.starts if now - start < settings.flap_window_seconds)
        if lately == 0:
            return 0.0
        return min(settings.flap_base_seconds * 2.0 ** (lately - 1), settings.flap_max_seconds)

    def is_steady(self, settings: PlanSettings, now: float, at_least: float = 0.0) -> bool:
        """Whether it is up, and has been for long enough."""
        wait = max(at_least, self.patience_seconds(settings, now))
        return self.is_up and now - self.since >= wait


@dataclass(frozen=True, slots=True)
class Memory:
    """``ring``: who has a place on the ring, ordered; ``None`` before the first view."""

    presences: Mapping[NodeId, Presence] = field(default_factory=dict)
    ring: tuple[RingMember, ...] | None = None
    ring_since: float = LONG_AGO
    handoffs: Mapping[PartitionId, tuple[NodeId, float]] = field(default_factory=dict)
    """Handoffs on their way: to whom, and when first seen."""
    seen_at: float = LONG_AGO
    """When the last view was observed."""
    moves_due: float = 1.0
    """How many moves may begin by now. It grows with time, to one, or to what has grown
    since the view before: they begin one after the other, and where plans take long a few."""
    dues: Dues | None = None
    """What was due at the last decision, from which the next goes on."""


NOTHING = Memory()


def observe(view: ClusterView, memory: Memory, settings: PlanSettings, now: float) -> Memory:
    """Return the memory after this view. ``now`` in seconds, on a clock that never falls."""
    presences = {
        node: _presence(view, node, memory.presences.get(node), now)
        for node in {*view.nodes, *view.members, *memory.presences}
        if node in view.nodes or node in view.members
    }
    ring = _ring(view, presences, memory.ring, settings, now)
    return Memory(
        presences=presences,
        ring=ring,
        ring_since=memory.ring_since if ring == memory.ring else now,
        handoffs=_handoffs(view, memory, now),
        seen_at=now,
        moves_due=_moves_due(view, memory, settings, now),
        dues=memory.dues,
    )


def _moves_due(view: ClusterView, memory: Memory, settings: PlanSettings, now: float) -> float:
    if view.config is None or memory.seen_at == LONG_AGO:
        return memory.moves_due
    a_second = view.config.rebalance.moves_max / settings.handoff_round_seconds
    grown = (now - memory.seen_at) * a_second
    return min(memory.moves_due + grown, max(1.0, grown))


def _presence(view: ClusterView, node: NodeId, before: Presence | None, now: float) -> Presence:
    live = view.nodes.get(node)
    if live is None or live.registration.leaving:
        if before is None:
            return Presence(None, is_up=False, since=now)
        return before if not before.is_up else replace(before, is_up=False, since=now)
    incarnation = live.registration.incarnation
    if before is None:
        return Presence(incarnation, is_up=True, since=now)
    if before.is_up and before.incarnation == incarnation:
        return before
    starts = (*before.starts, now)[-_STARTS_MAX:]
    return Presence(incarnation, is_up=True, since=now, starts=starts)


def _ring(
    view: ClusterView,
    presences: Mapping[NodeId, Presence],
    before: tuple[RingMember, ...] | None,
    settings: PlanSettings,
    now: float,
) -> tuple[RingMember, ...]:
    # A new leader takes the ring to be what the records were planned by.
    on_ring = (
        {node for held in view.partitions.values() for node in held.record.preference}
        if before is None
        else {member.id for member in before}
    )
    return tuple(
        _ring_member(member.id, member.weight, member.zone)
        for member in sorted(view.members.values(), key=lambda member: member.id)
        if member.takes_a_share
        and _has_place(presences[member.id], member.id in on_ring, settings, now)
    )


@lru_cache(maxsize=4096)
def _ring_member(node: NodeId, weight: int, zone: str) -> RingMember:
    # The same one for every view: rings are compared all the time, member by member.
    return RingMember(node, weight, zone)


def _has_place(presence: Presence, was_on_ring: bool, settings: PlanSettings, now: float) -> bool:  # noqa: FBT001
    if was_on_ring:
        return presence.is_up or now - presence.since < settings.down_grace_seconds
    return presence.is_steady(settings, now)


def _handoffs(
    view: ClusterView, memory: Memory, now: float
) -> Mapping[PartitionId, tuple[NodeId, float]]:
    on_their_way = {}
    for partition, held in view.partitions.items():
        target = held.record.handoff_to
        if target is not None:
            seen = memory.handoffs.get(partition)
            same = seen is not None and seen[0] == target
            on_their_way[partition] = seen if same and seen is not None else (target, now)
    return on_their_way
