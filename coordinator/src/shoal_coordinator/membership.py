"""What an operator may do with a node, and what is refused: pure, from a view to a change.

    (none) ──registers──► JOINING ──add──► ACTIVE ◄──drain --cancel── DRAINING
                 │                          ▲  │ ─────────drain────────►  │
                 └──────── auto_join ───────┘  └─────────remove─────────► LEFT ──add──► ACTIVE

Each is idempotent: asked again it finds things as they shall be. What would leave partitions
below their replicas is refused with a sentence, by what stands in the registry at that
moment: nodes count that take their share and live. A change names those that it counts on,
so that of two drains at once that only one of can be had the second is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.operations import MemberChange
from shoal_coordinator.registry.records import Member, MemberState, NodeId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView

WEIGHT_MAX = 100_000


class Reason(StrEnum):
    """Why a change is refused; as told in ``google.rpc.ErrorInfo``."""

    NODE_UNKNOWN = "NODE_UNKNOWN"
    NODE_DOWN = "NODE_DOWN"
    NODE_STATE = "NODE_STATE"
    NODE_IN_USE = "NODE_IN_USE"
    TOO_FEW_NODES = "TOO_FEW_NODES"
    LAST_COPIES = "LAST_COPIES"


@dataclass(frozen=True, slots=True)
class Refused:
    """``why`` is a sentence that says what to do instead."""

    reason: Reason
    why: str


Decided: TypeAlias = MemberChange | Refused
Command: TypeAlias = Callable[[ClusterView], Decided]


def add(view: ClusterView, node: NodeId) -> Decided:
    """Let a node take its share that waits for it, or that had left."""
    member, live = view.members.get(node), view.nodes.get(node)
    if member is None and live is None:
        return Refused(
            Reason.NODE_UNKNOWN,
            f"no node {node} has registered: start it, and add it then",
        )
    if member is not None and member.state is MemberState.ACTIVE:
        return MemberChange(member)
    if member is not None and member.state is MemberState.DRAINING:
        return Refused(
            Reason.NODE_STATE,
            f"node {node} is being drained: take that back with `shoal node drain {node} --cancel`",
        )
    if live is None:
        return Refused(Reason.NODE_DOWN, f"node {node} is down: start it, and add it then")
    registration = live.registration
    if member is None:
        return MemberChange(
            Member(node, MemberState.ACTIVE, registration.weight, registration.zone)
        )
    return MemberChange(replace(member, state=MemberState.ACTIVE))


def drain(view: ClusterView, node: NodeId) -> Decided:
    """Have a node give away what it has."""
    member = view.members.get(node)
    if member is None:
        return _unknown(node)
    match member.state:
        case MemberState.DRAINING | MemberState.LEFT:
            return MemberChange(member)
        case MemberState.JOINING:
            return Refused(
                Reason.NODE_STATE,
                f"node {node} waits to be added and has nothing: remove it instead",
            )
        case MemberState.ACTIVE:
            drained = replace(member, state=MemberState.DRAINING)
            return _without(view, member, drained, f"draining {node}")


def keep(view: ClusterView, node: NodeId) -> Decided:
    """Take a drain back: the node keeps what it still has, and takes its share again."""
    member = view.members.get(node)
    if member is None:
        return _unknown(node)
    if member.state in {MemberState.ACTIVE, MemberState.DRAINING}:
        return MemberChange(replace(member, state=MemberState.ACTIVE))
    return Refused(
        Reason.NODE_STATE,
        f"node {node} is {member.state}, not being drained: let it in with `shoal node add {node}`",
    )


def remove(view: ClusterView, node: NodeId, *, force: bool) -> Decided:
    """Have a node count as gone for good."""
    member = view.members.get(node)
    if member is None:
        if node not in view.nodes:
            return _unknown(node)
        registration = view.nodes[node].registration
        member = Member(node, MemberState.JOINING, registration.weight, registration.zone)
    left = replace(member, state=MemberState.LEFT)
    if member.state is MemberState.LEFT or force:
        return MemberChange(left)
    if node in view.nodes:
        copies = copies_on(view, node)
        if copies:
            return Refused(
                Reason.NODE_IN_USE,
                f"node {node} is up and has copies of {copies} partitions: drain it first with "
                f"`shoal node drain {node} --wait`, or give them up with --force",
            )
    else:
        only = sum(_is_only_on(held.record, node) for held in view.partitions.values())
        if only:
            return Refused(
                Reason.LAST_COPIES,
                f"node {node} is down and may come back with the only copies in sync of {only} "
                "partitions: start it, or give them up with --force",
            )
    return _without(view, member, left, f"removing {node}")


def weigh(view: ClusterView, node: NodeId, weight: int | None) -> Decided:
    """Set a node's weight; ``None``: it follows the node's own flag again."""
    assert weight is None or 0 <= weight <= WEIGHT_MAX
    member, live = view.members.get(node), view.nodes.get(node)
    if member is None:
        return _unknown(node)
    if weight is not None:
        weighed = replace(member, weight=weight, weight_is_set=True)
    else:
        own = member.weight if live is None else live.registration.weight
        weighed = replace(member, weight=own, weight_is_set=False)
    if weighed.takes_a_share or not member.takes_a_share:
        return MemberChange(weighed)
    return _without(view, member, weighed, f"a weight of 0 for {node}")


def copies_on(view: ClusterView, node: NodeId) -> int:
    """Partitions of which this run of a live node has a copy in sync, or is the primary."""
    live = view.nodes.get(node)
    if live is None:
        return 0
    return sum(
        any(
            copy.node == node and is_of(copy.copy_id, live.registration.incarnation)
            for copy in held.record.in_sync
        )
        for held in view.partitions.values()
    )


def _is_only_on(record: PartitionRecord, node: NodeId) -> bool:
    return bool(record.in_sync) and all(copy.node == node for copy in record.in_sync)


def _without(view: ClusterView, member: Member, then: Member, what: str) -> Decided:
    """``then``, if enough others take their share once ``member`` does not."""
    if not member.takes_a_share:
        return MemberChange(then)
    takers = sorted(
        it.id
        for it in view.members.values()
        if it.id != member.id
        and it.takes_a_share
        and it.id in view.nodes
        and not view.nodes[it.id].registration.leaving
    )
    copies = 1 if view.config is None else 1 + view.config.replica_count
    if len(takers) >= copies:
        return MemberChange(then, tuple(takers[:copies]))
    others = "1 node that takes" if len(takers) == 1 else f"{len(takers)} nodes that take"
    return Refused(
        Reason.TOO_FEW_NODES,
        f"{what} would leave {others} partitions, and each partition wants "
        f"{copies} {'copies' if copies > 1 else 'copy'}: add a node first",
    )


def _unknown(node: NodeId) -> Refused:
    return Refused(
        Reason.NODE_UNKNOWN, f"no node {node} is known: `shoal node list` shows those that are"
    )
