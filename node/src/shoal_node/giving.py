"""To whom a partition is handed over, and when: a pure decision.

Only a copy in sync that is near takes over, so that nothing is lost and the pause is
short. A record's wish to hand over to another node makes that node follow, which brings
it in sync; then it is given the partition. A node that stops gives all it serves to
copies in sync, and where nobody else holds a copy it asks the next node to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from shoal_coordinator.registry.records import Copy, Epoch, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode
from shoal_node.actions import ChangeAsPrimary, HandOver, LookAgain
from shoal_node.candidates import candidates
from shoal_node.holders import copies_left, holder, unwanted, wanted_holders
from shoal_node.local import Local
from shoal_node.policy import Policy


def hand_overs(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    now_ms: int,
    policy: Policy,
    only: Collection[PartitionId] | None = None,
) -> Iterator[HandOver | ChangeAsPrimary | LookAgain]:
    """What to hand over now. ``only``: of these; a node that stops looks at all it has."""
    room = _at_once(local, policy) - len(local.handing)
    changes = policy.changes_at_once - len(local.changing)
    retry_at_ms: int | None = None
    for partition, epoch in local.served(None if local.stopping else only):
        held = _to_be_given(view, local, partition, epoch)
        if held is None:
            continue
        due_ms = local.retry_at_ms.get(partition, now_ms)
        if due_ms > now_ms:
            retry_at_ms = due_ms if retry_at_ms is None else min(due_ms, retry_at_ms)
            continue
        if room <= 0 and len(held.record.in_sync) > 1:
            # Its turn comes, and a target is looked for then.
            continue
        copy = _target(view, local, held, policy)
        if copy is not None and room > 0:
            room -= 1
            yield _hand_over(view, local, own, held, copy)
        elif copy is None and local.stopping and changes > 0:
            asking = _ask_for_one(view, local, own, held)
            changes -= asking is not None
            if asking is not None:
                yield asking
    if retry_at_ms is not None:
        yield LookAgain(retry_at_ms, "a hand-over did not come about")


def _at_once(local: Local, policy: Policy) -> int:
    """Who stops gives a few at a time, but not for ever: there may be thousands."""
    if not local.stopping:
        return policy.hand_overs_at_once
    share = len(local.serving) // policy.stopping_turns
    return max(policy.stopping_hand_overs_at_once, share)


def _to_be_given(
    view: ClusterView, local: Local, partition: PartitionId, epoch: Epoch
) -> HeldPartition | None:
    """What is served, settled, and shall go to another node."""
    held = view.partitions.get(partition)
    if held is None or (held.record.handoff_to is None and not local.stopping):
        return None
    if local.latest(view, partition) is not held or local.is_busy(partition):
        return None
    if not local.owns(held) or held.record.epoch != epoch or partition in local.joining:
        return None
    return held


def _target(view: ClusterView, local: Local, held: HeldPartition, policy: Policy) -> Copy | None:
    """The copy to hand over to, once one is in sync and near."""
    near = {
        copy.node: copy
        for copy in copies_left(view, held.record)
        if (told := local.follower(held.record.partition, copy)) is not None
        and told.is_streaming
        and told.lag_ms <= policy.near_ms
    }
    if local.stopping:
        able = [it for it in near if it != local.node and view.may_be_given(it)]
        if len(able) > 1:
            able = [it for it in candidates(view, held.record) if it in able]
        return near[able[0]] if able else None
    wanted = held.record.handoff_to
    if wanted is None or wanted == local.node or wanted not in near:
        return None
    return near[wanted] if view.may_be_given(wanted) else None


def _hand_over(
    view: ClusterView, local: Local, own: LiveNode, held: HeldPartition, copy: Copy
) -> HandOver:
    others = tuple(it for it in held.record.in_sync if it != copy)
    why = "this node stops" if local.stopping else "its record asks for it"
    if local.stopping or held.record.primary in unwanted(view, held.record, held.record.in_sync):
        others = tuple(it for it in others if it.node != local.node)
    return HandOver(held, own, view.nodes[copy.node], copy, others, why)


def _ask_for_one(
    view: ClusterView, local: Local, own: LiveNode, held: HeldPartition
) -> ChangeAsPrimary | None:
    """Have the next node follow, where none does that could take over."""
    able = [node for node in candidates(view, held.record) if node != local.node]
    if not able or wanted_holders(view, held.record) & set(able):
        return None
    why = f"{able[0]} shall follow it, because this node stops"
    return ChangeAsPrimary(held, own, replace(held.record, handoff_to=able[0]), why)


def pass_on(view: ClusterView, own: LiveNode, held: HeldPartition) -> HandOver | None:
    """Give away what a record gives to a copy that this node has no more, if one is left."""
    left = {copy.node: copy for copy in copies_left(view, held.record)}
    if not left:
        return None
    able = [node for node in candidates(view, held.record) if node in left]
    # One that stops hands it on in its turn.
    order: list[NodeId] = [*able, *left]
    copy = left[order[0]]
    others = tuple(it for it in left.values() if it != copy and holder(view, it) is not None)
    why = "this node's copy of it is not the one that its record names"
    return HandOver(held, own, view.nodes[copy.node], copy, others, why)
