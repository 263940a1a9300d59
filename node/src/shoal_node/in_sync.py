"""Who is in sync, as the primary keeps it: a pure decision. One change at a time.

A copy joins in three steps: writes are made to wait for it beside the others (the
union), then it must have acknowledged all that had been written until then, then the
record names it. It leaves the record first, and is waited for until that is certain.
So at every moment a write waits for each copy that the record names, or may name.

A copy leaves when it lags beyond the limit, when it is lost, or when its node is gone
or stops; and when nobody wants it there any more, once those are in sync who are wanted: by
the very write that names the last of them, or that hands the partition over (``giving``).

It lags only if etcd has confirmed a keepalive that this node sent when the copy was late
already. A primary that hears nobody, neither its followers nor etcd, but is heard, would
else leave all of them out, lose its lease, and take the only copy in sync with it.

The copies of a node that stops leave once it has handed on what it serves: requests wait for
that, and would wait longer if dozens of other copies left beside it. They follow meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from shoal_coordinator.registry.records import Copy, PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode
from shoal_node.actions import ChangeAsPrimary, LookAgain, RequireCopies
from shoal_node.holders import holder, is_wanted, unwanted
from shoal_node.local import Joining, Local
from shoal_node.policy import Policy

_UNWANTED = "nobody wants it there"


def changes(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    now_ms: int,
    policy: Policy,
    only: Collection[PartitionId] | None = None,
) -> Iterator[ChangeAsPrimary | RequireCopies | LookAgain]:
    """The next step of every partition that is served here. ``only``: of these."""
    room = policy.changes_at_once - len(local.changing)
    look_at_ms: int | None = None
    for partition, epoch in local.served(only):
        held = view.partitions.get(partition)
        if held is None or local.latest(view, partition) is not held or local.is_busy(partition):
            continue
        if not local.owns(held) or held.record.epoch != epoch:
            continue
        due_ms = local.retry_at_ms.get(partition, now_ms)
        if due_ms > now_ms:
            look_at_ms = due_ms if look_at_ms is None else min(due_ms, look_at_ms)
            continue
        step = _step(view, local, own, held, now_ms, policy)
        if isinstance(step, ChangeAsPrimary):
            room -= 1
            if room < 0:
                continue
        if step is not None:
            yield step
        at_ms = _look_after_ms(local, held, step, now_ms, policy)
        if at_ms is not None:
            look_at_ms = at_ms if look_at_ms is None else min(at_ms, look_at_ms)
    if look_at_ms is not None:
        yield LookAgain(look_at_ms, "it is not settled who is in sync")


def _step(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    held: HeldPartition,
    now_ms: int,
    policy: Policy,
) -> ChangeAsPrimary | RequireCopies | None:
    record = held.record
    joining = local.joining.get(record.partition)
    if joining is not None:
        return _join(view, local, own, held, joining, now_ms, policy)
    leaving: dict[Copy, str] = {}
    for copy in record.in_sync:
        if copy != record.primary:
            reason = _why_out(view, local, held, copy, now_ms, policy)
            if reason is not None:
                leaving[copy] = reason
    if leaving:
        left = tuple(copy for copy in record.in_sync if copy not in leaving)
        why = "; ".join(f"{copy.node} is in sync no longer, {why}" for copy, why in leaving.items())
        return ChangeAsPrimary(held, own, replace(record, in_sync=left), why)
    if now_ms < _joins_from_ms(local, record.partition, policy):
        return None
    comer = next(_comers(view, local, held, policy), None)
    if comer is None:
        return None
    others = tuple(copy for copy in record.in_sync if copy != record.primary)
    return RequireCopies(record.partition, (*others, comer), len(record.in_sync), comer)


def _join(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    held: HeldPartition,
    joining: Joining,
    now_ms: int,
    policy: Policy,
) -> ChangeAsPrimary | RequireCopies | None:
    record, copy = held.record, joining.copy
    told = local.follower(record.partition, copy)
    is_there = told is not None and told.is_streaming and holder(view, copy) is not None
    if told is not None and is_there and told.acked_seq >= joining.head_seq:
        return _joined(view, own, held, copy)
    if is_there and now_ms - joining.since_ms < policy.join_limit_ms:
        return None
    others = tuple(other for other in record.in_sync if other != record.primary)
    return RequireCopies(record.partition, others, len(record.in_sync))


def _joined(view: ClusterView, own: LiveNode, held: HeldPartition, copy: Copy) -> ChangeAsPrimary:
    """With those left out whose place it takes: another write would be news to every process."""
    record, why = held.record, f"{copy.node} is in sync, it has caught up"
    in_sync = (*record.in_sync, copy)
    left = [it for it in unwanted(view, record, in_sync) if it != record.primary]
    for it in left:
        why += f"; {it.node} is in sync no longer, {_UNWANTED}"
    joined = replace(record, in_sync=tuple(it for it in in_sync if it not in left))
    return ChangeAsPrimary(held, own, joined, why)


def _comers(view: ClusterView, local: Local, held: HeldPartition, policy: Policy) -> Iterator[Copy]:
    """Copies that could be in sync and are not, those of wanted nodes only."""
    told = local.observed.get(held.record.partition)
    if told is None or told.role != "primary":
        return
    named = {copy.node for copy in held.record.in_sync}
    for follower in told.followers:
        if not follower.is_streaming or follower.node in named:
            continue
        copy = Copy(follower.node, follower.copy_id)
        live = holder(view, copy)
        if (
            is_wanted(view, held.record, copy.node)
            and live is not None
            and not live.registration.leaving
            and (follower.acked_seq >= told.head_seq or 0 < follower.lag_ms <= policy.near_ms)
        ):
            yield copy


def _why_out(
    view: ClusterView,
    local: Local,
    held: HeldPartition,
    copy: Copy,
    now_ms: int,
    policy: Policy,
) -> str | None:
    record = held.record
    if copy.node not in view.nodes:
        # When most nodes vanished at once, they are likely to be back soon.
        if copy.node in local.absence.held_until_ms:
            return None
        if now_ms < local.contact.since_ms + policy.return_hold_ms:
            # So they are when this node is only just back itself: others come later.
            return _trouble(local, record.partition, copy, now_ms, policy)
        return "its node is gone"
    live = holder(view, copy)
    if live is None:
        return "its node has restarted"
    if live.registration.leaving and copy.node not in local.handing_on:
        return "its node stops"
    trouble = _trouble(local, record.partition, copy, now_ms, policy)
    if trouble is not None:
        return trouble
    if is_wanted(view, record, copy.node) or copy not in unwanted(view, record, record.in_sync):
        return None
    return _UNWANTED


def _trouble(
    local: Local, partition: PartitionId, copy: Copy, now_ms: int, policy: Policy
) -> str | None:
    """Why a copy cannot be waited for, by what the data plane tells of it.

    Its silence counts as it was when the newest confirmed keepalive was sent.
    """
    told = local.observed.get(partition)
    if told is None or told.role != "primary":
        return None
    follower = None
    for it in told.followers:
        if it.node != copy.node:
            continue
        if it.copy_id == copy.copy_id:
            follower = it
        elif it.is_streaming:
            return "its copy began anew"
    unconfirmed_ms = max(0, now_ms - local.contact.confirmed_ms)
    if follower is None:
        served_ms = now_ms - local.served_since_ms.get(partition, now_ms)
        is_late = served_ms - unconfirmed_ms > policy.lag_limit_ms
        return "it does not follow" if is_late else None
    is_late = follower.lag_ms - unconfirmed_ms > policy.lag_limit_ms
    return f"it lags {follower.lag_ms} ms" if is_late else None


def _joins_from_ms(local: Local, partition: PartitionId, policy: Policy) -> int:
    """Until then no copy is taken in, because one did not catch up; 0: none has failed to."""
    failed_ms = local.join_failed_ms.get(partition)
    return 0 if failed_ms is None else failed_ms + policy.join_pause_ms


def _look_after_ms(
    local: Local,
    held: HeldPartition,
    step: ChangeAsPrimary | RequireCopies | None,
    now_ms: int,
    policy: Policy,
) -> int | None:
    """When to look again after this step, if no news comes by itself."""
    if step is None:
        return _look_at_ms(local, held, now_ms, policy)
    gives_up = (
        isinstance(step, RequireCopies)
        and step.joining is None
        and held.record.partition in local.joining
    )
    return now_ms + policy.join_pause_ms if gives_up else None


def _look_at_ms(local: Local, held: HeldPartition, now_ms: int, policy: Policy) -> int | None:
    """When a step may be due of which no news comes."""
    looks = []
    if _is_any_late(local, held, policy):
        # Known from what etcd confirms next.
        looks.append(now_ms + policy.replication_look_ms)
    joins_from_ms = _joins_from_ms(local, held.record.partition, policy)
    if now_ms < joins_from_ms:
        looks.append(joins_from_ms)
    return min(looks, default=None)


def _is_any_late(local: Local, held: HeldPartition, policy: Policy) -> bool:
    """Whether a copy in sync is over the limit, and left in for now."""
    told = local.observed.get(held.record.partition)
    if told is None or told.role != "primary":
        return False
    for it in told.followers:
        if it.lag_ms > policy.lag_limit_ms and Copy(it.node, it.copy_id) in held.record.in_sync:
            return True
    return False


def replica_lag_ms(view: ClusterView, local: Local, only: Collection[PartitionId]) -> int:
    """How far the copy in sync is behind that is furthest behind one of these, served here."""
    return max(
        (
            told.lag_ms
            for partition in only
            if partition in local.serving and (held := view.partitions.get(partition)) is not None
            for copy in held.record.in_sync
            if (told := local.follower(partition, copy)) is not None
        ),
        default=0,
    )
