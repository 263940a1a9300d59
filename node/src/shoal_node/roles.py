"""What this node's copies shall be: served, followed, or closed. Pure.

- A partition is served exactly while its newest known record names this incarnation,
  and the very copy that is held here: the followed one with its data, or an empty one
  under an id that was drawn for it. Once for each epoch.
- What another serves is followed while the record wants a copy on this node. A copy
  that is not wanted any more is closed only once the record does not name it as in sync.
- A node that stops begins to follow nothing.
- While nobody serves a partition, its copies stay as they are.

Order matters, see ``decide``: what is lost stops to be served before the topology names
another. A partition that was handed over is followed at once where its new primary has
it, so that the requests that wait here are sent there; also where no copy is wanted here:
that one is closed once the topology names the new primary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from shoal_coordinator.registry.records import Copy, PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition
from shoal_node.actions import (
    ClosePartition,
    FollowPartition,
    OpenPartition,
    PromotePartition,
    RequireCopies,
)
from shoal_node.holders import is_wanted
from shoal_node.local import Following, Local


def unlike(
    view: ClusterView, local: Local, only: Collection[PartitionId] | None = None
) -> list[PartitionId]:
    """Those whose copy here is not as their newest record asks, in order.

    Of all others there are no ``leavings``, ``servings``, ``lost_copies`` and ``followings``:
    most partitions are as recorded, and need not be looked at by each of these. ``only``: of
    these partitions.
    """
    if only is None:
        only = {*view.partitions, *local.written, *local.serving, *local.following}
    found = [it for it in only if not _is_as_recorded(view, local, it)]
    return sorted(found) if len(found) > 1 else found


def _is_as_recorded(view: ClusterView, local: Local, partition: PartitionId) -> bool:
    held = local.latest(view, partition)
    epoch = local.serving.get(partition)
    if held is None:
        return epoch is None and partition not in local.following
    if local.owns(held):
        return (
            held.record.epoch == epoch
            and _names_own_copy(local, held)
            and _requirement(local, held) is None
        )
    if epoch is not None:
        return False
    known = local.following.get(partition)
    is_kept = _is_kept(view, local, partition, held)
    if known is None:
        return not is_kept or not view.primary_is_live(held.record)
    return is_kept and (not view.primary_is_live(held.record) or _is_newest(known, view, held))


class Leavings(NamedTuple):
    """What stops being served: before the topology is installed, and after it."""

    before: list[ClosePartition | FollowPartition]
    after: list[ClosePartition | FollowPartition]


def leavings(view: ClusterView, local: Local, partitions: Sequence[PartitionId]) -> Leavings:
    """What is served and must not be any longer, and what is held and not wanted.

    ``partitions``: those that are ``unlike`` their records, here and below.
    """
    left = Leavings([], [])
    for partition in partitions:
        epoch = local.serving.get(partition)
        if epoch is None:
            continue
        held = local.latest(view, partition)
        is_mine = held is not None and local.owns(held)
        if held is not None and is_mine and held.record.epoch <= epoch:
            if not _names_own_copy(local, held):
                left.before.append(
                    ClosePartition(partition, "the copy that its record names was lost")
                )
            continue
        leaving = _instead(view, local, partition, held)
        is_handed = partition in local.frozen and not is_mine
        if not is_handed or isinstance(leaving, FollowPartition):
            left.before.append(leaving)
        elif held is None or held.mod_revision <= view.revision:
            left.after.append(leaving)
    _add_unwanted(left, view, local, partitions)
    return left


def _add_unwanted(
    left: Leavings, view: ClusterView, local: Local, partitions: Sequence[PartitionId]
) -> None:
    for partition in partitions:
        if partition not in local.following:
            continue
        held = local.latest(view, partition)
        if held is None:
            left.before.append(ClosePartition(partition, "it has no record"))
        elif not _is_kept(view, local, partition, held):
            close = ClosePartition(partition, "no copy of it is wanted here")
            if local.spent.get(partition) != held.record.epoch - 1:
                left.before.append(close)
            elif held.mod_revision <= view.revision:
                # Handed over by this node: until the topology names who has it, what
                # comes for it is sent on from here.
                left.after.append(close)


def _instead(
    view: ClusterView, local: Local, partition: PartitionId, held: HeldPartition | None
) -> ClosePartition | FollowPartition:
    if held is None or held.record.primary is None:
        return ClosePartition(partition, "no record gives it to this node")
    is_handed = partition in local.frozen and view.primary_is_live(held.record)
    if not local.owns(held) and (is_handed or _is_kept(view, local, partition, held)):
        return _follow(view, held)
    record = held.record
    assert record.primary is not None
    return ClosePartition(
        partition, f"its record names {record.primary.node} at epoch {record.epoch}"
    )


def _is_kept(view: ClusterView, local: Local, partition: PartitionId, held: HeldPartition) -> bool:
    record = held.record
    if not local.stopping and is_wanted(view, record, local.node):
        return True
    return not view.primary_is_live(record) or local.own_copy(partition) in record.in_sync


def _follow(view: ClusterView, held: HeldPartition) -> FollowPartition:
    record = held.record
    assert record.primary is not None
    is_live = view.primary_is_live(record)
    address = view.nodes[record.primary.node].registration.address if is_live else ""
    return FollowPartition(record.partition, record.epoch, record.primary.node, address)


def servings(
    view: ClusterView, local: Local, partitions: Sequence[PartitionId]
) -> Iterator[OpenPartition | PromotePartition | ClosePartition | RequireCopies]:
    """What is to be served now that was not, and for whom its writes wait.

    For a node whose registration stands: only then it is certain that the record in
    the view is as new as what this node wrote itself.
    """
    for partition in partitions:
        held = local.latest(view, partition)
        if held is None or not local.owns(held):
            continue
        if local.serving.get(partition) == held.record.epoch:
            required = _requirement(local, held)
            if required is not None and _names_own_copy(local, held):
                yield required
        elif held.record.epoch > local.spent.get(partition, 0):
            yield from _beginnings(local, held)


def _beginnings(
    local: Local, held: HeldPartition
) -> Iterator[OpenPartition | PromotePartition | ClosePartition | RequireCopies]:
    partition, epoch, primary = held.record.partition, held.record.epoch, held.record.primary
    assert primary is not None
    if partition in local.following and local.copies[partition] == primary.copy_id:
        yield PromotePartition(partition, epoch)
        yield RequireCopies(partition, *_required(held))
    elif primary.copy_id in local.drawn.get(partition, ()):
        if partition in local.following:
            yield ClosePartition(partition, f"it starts empty at epoch {epoch}")
        yield OpenPartition(partition, epoch, primary.copy_id)
        yield RequireCopies(partition, *_required(held))


def _names_own_copy(local: Local, held: HeldPartition) -> bool:
    primary = held.record.primary
    return (
        primary is not None
        and primary.node == local.node
        and primary.copy_id == local.copies.get(held.record.partition)
    )


def _requirement(local: Local, held: HeldPartition) -> RequireCopies | None:
    """For whom its writes wait by its record, where that is settled, and not told yet."""
    partition = held.record.partition
    if partition in local.changing or partition in local.joining:
        return None
    copies, in_sync_count = _required(held)
    known = local.required.get(partition)
    if known is None or known.copies != copies or known.in_sync_count != in_sync_count:
        return RequireCopies(partition, copies, in_sync_count)
    return None


def _required(held: HeldPartition) -> tuple[tuple[Copy, ...], int]:
    in_sync = held.record.in_sync
    primary = held.record.primary
    return tuple([copy for copy in in_sync if copy != primary]), len(in_sync)


def lost_copies(
    view: ClusterView, local: Local, partitions: Sequence[PartitionId]
) -> Iterator[HeldPartition]:
    """Records that name a copy of this incarnation which is not there: it cannot serve."""
    for partition in partitions:
        if partition in local.serving or partition not in view.partitions:
            continue
        held = local.latest(view, partition)
        if held is None or not local.owns(held):
            continue
        assert held.record.primary is not None
        copy_id = held.record.primary.copy_id
        is_spent = held.record.epoch <= local.spent.get(partition, 0)
        is_held = partition in local.following and local.copies[partition] == copy_id
        if is_spent or not (is_held or copy_id in local.drawn.get(partition, ())):
            yield held


def followings(
    view: ClusterView, local: Local, partitions: Sequence[PartitionId], *, may_begin: bool
) -> Iterator[FollowPartition]:
    """Whom to follow that is not followed yet, or not as the record says.

    ``may_begin``: whether a copy may be opened where there was none.
    """
    for partition in partitions:
        known = local.following.get(partition)
        if partition in local.serving or (known is None and not may_begin):
            continue
        held = local.latest(view, partition)
        if held is None or local.owns(held) or not view.primary_is_live(held.record):
            continue
        if known is not None and _is_newest(known, view, held):
            continue
        if _is_kept(view, local, partition, held):
            yield _follow(view, held)


def _is_newest(known: Following, view: ClusterView, held: HeldPartition) -> bool:
    """Whether a copy follows already whom the record names, who lives, or someone newer."""
    record = held.record
    assert record.primary is not None
    if known.epoch != record.epoch:
        return known.epoch > record.epoch
    node = record.primary.node
    return known.primary == node and known.address == view.nodes[node].registration.address
