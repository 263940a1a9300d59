"""``decide``: what to do about a view. Pure.

In this order: members, first records, withdrawn handoffs, changed preferences that cost
nothing, repairs, moves. The last wait until everything before them is done. Decided
again from every view, so whatever is lost on the way is decided anew; each write compares
the revision that it was decided by, so what is outdated cannot win.

A move carries its data: the target follows because the record names it, gets in sync,
and is handed the partition. That costs a copy of it, so moves begin only once the ring
has been steady for a while, only to nodes that have been, a few at a time, and where
nothing more urgent is under way (``moves.py``, ``permission.py``).
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
    PartitionAction,
    RefreshMember,
)
from shoal_coordinator.planning.dues import dues_of
from shoal_coordinator.planning.flights import Flight
from shoal_coordinator.planning.memory import Memory
from shoal_coordinator.planning.moves import Traffic, taken_back
from shoal_coordinator.planning.permission import Verdict
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.records import (
    ClusterConfig,
    Member,
    MemberState,
    PartitionId,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, what to remember, and what is being waited for, as a sentence."""

    actions: tuple[Action, ...]
    memory: Memory
    waiting: str | None = None
    traffic: Traffic | None = None
    """What moves, and what may; None before there is anything to place."""


def decide(
    view: ClusterView,
    memory: Memory,
    wanted: Placement,
    settings: PlanSettings,
    now: float,
    utc_minute: int = 0,
) -> Decision:
    """Decide by a memory that has observed this very view.

    ``wanted`` is the placement of ``memory.ring``. ``now`` as for ``observe``;
    ``utc_minute`` is that of the day, for a policy that has a window.
    """
    assert memory.ring is not None, "observe the view first"
    if view.config is None:
        return Decision((), memory, "waiting for the cluster's configuration")
    members = tuple(_members(view, view.config))
    if members:
        # The ring is about to change with them.
        return Decision(members, memory)
    assert len(wanted.partitions) == view.config.partition_count
    dues = dues_of(view, wanted, memory.dues)
    if dues is not memory.dues:
        memory = replace(memory, dues=dues)
    traffic = Traffic.of(view, dues, view.config.rebalance, utc_minute)
    waiting = _why_not_yet(view, view.config, memory, settings, now)
    if waiting is not None:
        withdrawn = tuple(_withdrawn(view, memory, settings, traffic, now))
        return Decision(withdrawn, memory, waiting, traffic)
    plans = _plans(view, memory, settings, traffic, now)
    actions = tuple(islice(plans, settings.writes_per_round_max))
    if actions:
        return Decision(actions, memory, traffic=traffic)
    begun = _begun(view, memory, settings, traffic, now)
    moves = sum(_is_new_move(it, traffic) for it, _ in begun)
    if moves:
        memory = replace(memory, moves_due=memory.moves_due - moves)
    actions = tuple(action for _, action in begun)
    is_held_up = not actions and _has_moves(traffic)
    waiting = traffic.permission.why or None if is_held_up else None
    return Decision(actions, memory, waiting, traffic)


def _members(view: ClusterView, config: ClusterConfig) -> Iterator[Action]:
    first = MemberState.ACTIVE if config.auto_join else MemberState.JOINING
    for node, live in sorted(view.nodes.items()):
        registration = live.registration
        member = view.members.get(node)
        if member is None:
            yield AdmitMember(Member(node, first, registration.weight, registration.zone))
            continue
        state = first if member.state is MemberState.JOINING else member.state
        weight = member.weight if member.weight_is_set else registration.weight
        zone = registration.zone
        if (state, weight, zone) != (member.state, member.weight, member.zone):
            yield RefreshMember(replace(member, state=state, weight=weight, zone=zone), member)


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
    view: ClusterView, memory: Memory, settings: PlanSettings, traffic: Traffic, now: float
) -> Iterator[PartitionAction]:
    yield from traffic.dues.firsts.values()
    withdrawn = {
        action.held.record.partition: action
        for action in _withdrawn(view, memory, settings, traffic, now)
    }
    yield from withdrawn.values()
    written = {*withdrawn}
    for update in (*taken_back(view, traffic), *traffic.dues.updates.values()):
        if update.held.record.partition not in written:
            written.add(update.held.record.partition)
            yield update


def _withdrawn(
    view: ClusterView, memory: Memory, settings: PlanSettings, traffic: Traffic, now: float
) -> Iterator[ClearHandoff]:
    for partition in sorted(memory.handoffs):
        held = view.partitions[partition]
        why = _why_withdrawn(view, memory, partition, held, settings, now)
        if why is None and traffic.permission.verdict is Verdict.TAKE_BACK:
            why = traffic.permission.why
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


def _begun(
    view: ClusterView, memory: Memory, settings: PlanSettings, traffic: Traffic, now: float
) -> list[tuple[Flight, PartitionAction]]:
    """Repairs, then moves, as far as there is room."""
    copies = traffic.dues.copies
    if not copies and not traffic.dues.hand_overs:
        return []
    budget = traffic.budget(view)
    repairs: list[tuple[Flight, PartitionAction]] = [
        (flight, update)
        for flight, update in copies.values()
        if flight.is_repair and _are_up(view, flight) and budget.admit(flight)
    ]
    if repairs:
        return repairs[: settings.writes_per_round_max]
    if now - memory.ring_since < settings.handoff_settle_seconds:
        return []
    if traffic.permission.verdict is not Verdict.BEGIN:
        return []
    steady = {
        node
        for node, presence in memory.presences.items()
        if presence.is_steady(settings, now, settings.handoff_settle_seconds)
    }
    room = int(memory.moves_due)
    moves: list[tuple[Flight, PartitionAction]] = [
        *(it for it in copies.values() if not it[0].is_repair),
        *(it for it in traffic.dues.hand_overs.values() if it[0].partition not in copies),
    ]
    begun = []
    for flight, action in moves:
        is_new = _is_new_move(flight, traffic)
        if steady.issuperset(flight.targets) and room >= is_new and budget.admit(flight):
            room -= is_new
            begun.append((flight, action))
    return begun


def _is_new_move(flight: Flight, traffic: Traffic) -> bool:
    return not flight.is_repair and flight.partition not in traffic.dues.flights


def _has_moves(traffic: Traffic) -> bool:
    waiting = (*traffic.dues.copies.values(), *traffic.dues.hand_overs.values())
    return any(not flight.is_repair for flight, _ in waiting)


def _are_up(view: ClusterView, flight: Flight) -> bool:
    return all(
        node in view.nodes and not view.nodes[node].registration.leaving for node in flight.targets
    )
