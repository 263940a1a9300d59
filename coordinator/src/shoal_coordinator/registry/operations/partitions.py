"""Partition records: planned by the coordinator, taken and handed over by nodes.

Every write compares the record's mod_revision. On top of it the coordinator's
compare its election, and nodes' compare that their own registration stands.

Many of them may run at once (``asyncio.gather``): the store bounds how many are
on their way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shoal_coordinator.registry.codec import RecordCorrupt, decode_partition, encode_partition
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.election import leadership_guard
from shoal_coordinator.registry.operations.outcome import Lost, Won
from shoal_coordinator.registry.operations.settle import Settled, Swap, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    CreatedAt,
    Guard,
    ModifiedAt,
    Put,
    Revision,
    Store,
)
from shoal_coordinator.registry.records import NodeId, PartitionRecord
from shoal_coordinator.registry.view import ElectedLeader, HeldPartition, LiveNode

RECORDS_PER_COMMIT = 100
"""etcd refuses more than 128 operations or guards in one transaction by default."""


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """A record to be written over the one at ``expected``; ``ABSENT`` creates it."""

    record: PartitionRecord
    expected: Revision = ABSENT


async def plan_partition(
    store: Store,
    keys: Keys,
    record: PartitionRecord,
    expected: Revision,
    leadership: ElectedLeader,
) -> Won | Lost[HeldPartition]:
    """Write what the coordinator plans, while its leadership stands."""
    return await _swap(store, keys, record, expected, (leadership_guard(keys, leadership),))


async def plan_partitions(
    store: Store, keys: Keys, planned: Sequence[PlannedRecord], leadership: ElectedLeader
) -> tuple[Won | Lost[HeldPartition], ...]:
    """Write many plans, some dozens a commit; one outcome for each, in their order.

    A commit is all or nothing: one record that moved makes its neighbours lose,
    too. Plan those anew from the next view. Commits run one after the other, and
    where one raises, those before it stand.
    """
    outcomes: list[Won | Lost[HeldPartition]] = []
    for start in range(0, len(planned), RECORDS_PER_COMMIT):
        chunk = planned[start : start + RECORDS_PER_COMMIT]
        swaps = [_partition_swap(keys, plan.record, plan.expected) for plan in chunk]
        settled = await settle(store, swaps, [leadership_guard(keys, leadership)])
        outcomes += [_outcome(swap, settled) for swap in swaps]
    return tuple(outcomes)


async def take_over(
    store: Store,
    keys: Keys,
    held: HeldPartition,
    record: PartitionRecord,
    me: LiveNode,
    old: tuple[NodeId, Revision] | None,
) -> Won | Lost[HeldPartition]:
    """Become primary of a partition whose primary is gone.

    ``old`` is the old primary's node and the create_revision of its node key as
    the view showed it: ``ABSENT``, or another incarnation's. ``None``: the
    partition was never taken.
    """
    _check_new_primary(held.record, record, me)
    guards = [_stands(keys, me)]
    if old is not None:
        guards.append(CreatedAt(keys.node(old[0]), old[1]))
    return await _swap(store, keys, record, held.mod_revision, guards)


async def hand_over(
    store: Store,
    keys: Keys,
    held: HeldPartition,
    record: PartitionRecord,
    me: LiveNode,
    target: LiveNode,
) -> Won | Lost[HeldPartition]:
    """Make ``target`` the primary in place of this node, while both are registered."""
    assert held.record.primary is not None
    assert held.record.primary.node == me.registration.id
    _check_new_primary(held.record, record, target)
    guards = (_stands(keys, me), _stands(keys, target))
    return await _swap(store, keys, record, held.mod_revision, guards)


def _check_new_primary(old: PartitionRecord, new: PartitionRecord, primary: LiveNode) -> None:
    assert new.partition == old.partition
    assert new.epoch == old.epoch + 1, "a change of primary is one epoch"
    assert new.primary is not None
    assert new.primary.node == primary.registration.id
    assert new.primary_incarnation == primary.registration.incarnation


def _stands(keys: Keys, node: LiveNode) -> CreatedAt:
    return CreatedAt(keys.node(node.registration.id), node.create_revision)


def _partition_swap(keys: Keys, record: PartitionRecord, expected: Revision) -> Swap:
    key = keys.partition(record.partition)
    return Swap(ModifiedAt(key, expected), Put(key, encode_partition(record)))


async def _swap(
    store: Store,
    keys: Keys,
    record: PartitionRecord,
    expected: Revision,
    guards: Sequence[Guard],
) -> Won | Lost[HeldPartition]:
    swap = _partition_swap(keys, record, expected)
    return _outcome(swap, await settle(store, [swap], guards))


def _outcome(swap: Swap, settled: Settled) -> Won | Lost[HeldPartition]:
    if settled.won:
        return Won(settled.revision)
    key = swap.change.key
    current = settled.item(key)
    if current is None:
        return Lost(None, settled.failed)
    try:
        held = HeldPartition(decode_partition(key, current.value), current.mod_revision)
    except RecordCorrupt:
        return Lost(None, settled.failed)
    return Lost(held, settled.failed)
