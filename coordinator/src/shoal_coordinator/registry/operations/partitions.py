"""Partition records: planned by the coordinator, taken and handed over by nodes.

Every write compares the record's mod_revision. On top of it the coordinator's
compare its election, and nodes' compare that their own registration stands.

Many of them may run at once (``asyncio.gather``): the store bounds how many are
on their way. Where one node writes many records at once, they are written by one commit
(``take_over_together``, ``change_together``, ``hand_over``): every commit is an event
that each process hears of. Each record is compared just as it would be alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
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
    OutcomeUnknown,
    Put,
    Revision,
    Store,
    StoreRefused,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import NodeId, PartitionRecord
from shoal_coordinator.registry.view import ElectedLeader, HeldPartition, LiveNode

RECORDS_PER_COMMIT = 100
"""etcd refuses more than 128 operations or guards in one transaction by default."""
HANDED_TOGETHER_MAX = (RECORDS_PER_COMMIT - 1) // 2
"""Each has a guard of its own, and may have a target of its own."""


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
    lost: Sequence[tuple[NodeId, Revision]] = (),
) -> Won | Lost[HeldPartition]:
    """Become primary of a partition whose primary is gone.

    ``old`` is the old primary's node and the create_revision of its node key as
    the view showed it: ``ABSENT``, or another incarnation's. ``None``: the
    partition was never taken. ``lost`` are likewise the nodes of copies that are passed
    over because they are gone: they must be so still.
    """
    taken = Taken(held, record, old, lost)
    return await _swap(store, keys, record, held.mod_revision, _taking_guards(keys, taken, me))


@dataclass(frozen=True, slots=True)
class Taken:
    """One of the partitions that are taken over together: the arguments of ``take_over``."""

    held: HeldPartition
    record: PartitionRecord
    old: tuple[NodeId, Revision] | None
    lost: Sequence[tuple[NodeId, Revision]] = ()


async def take_over_together(
    store: Store, keys: Keys, taken: Sequence[Taken], me: LiveNode
) -> tuple[Won | Lost[HeldPartition], ...]:
    """``take_over`` of many partitions; one outcome for each, in their order."""
    guarded = [
        _Guarded(it.record, it.held.mod_revision, _taking_guards(keys, it, me)) for it in taken
    ]
    return await _swap_together(store, keys, guarded)


def _taking_guards(keys: Keys, taken: Taken, me: LiveNode) -> tuple[Guard, ...]:
    _check_new_primary(taken.held.record, taken.record, me)
    gone = taken.lost if taken.old is None else (taken.old, *taken.lost)
    guards = (CreatedAt(keys.node(node), revision) for node, revision in gone)
    return (_stands(keys, me), *guards)


async def change_as_primary(
    store: Store, keys: Keys, held: HeldPartition, record: PartitionRecord, me: LiveNode
) -> Won | Lost[HeldPartition]:
    """Change what a primary may change of its record: who is in sync, and who is next.

    Epoch and primary stay, and this node's registration stands.
    """
    _check_same_primary(held.record, record, me)
    return await _swap(store, keys, record, held.mod_revision, (_stands(keys, me),))


async def change_together(
    store: Store,
    keys: Keys,
    changed: Sequence[tuple[HeldPartition, PartitionRecord]],
    me: LiveNode,
) -> tuple[Won | Lost[HeldPartition], ...]:
    """``change_as_primary`` of many records; one outcome for each, in their order."""
    for held, record in changed:
        _check_same_primary(held.record, record, me)
    guards = (_stands(keys, me),)
    guarded = [_Guarded(record, held.mod_revision, guards) for held, record in changed]
    return await _swap_together(store, keys, guarded)


@dataclass(frozen=True, slots=True)
class Handed:
    """One of the partitions that are handed over together."""

    held: HeldPartition
    record: PartitionRecord
    target: LiveNode
    """Whom ``record`` makes the primary."""


async def hand_over(
    store: Store, keys: Keys, handed: Sequence[Handed], me: LiveNode
) -> tuple[Won | Lost[HeldPartition], ...]:
    """Make each one's target its primary in place of this node, while both are registered.

    One outcome for each, in their order; at most ``HANDED_TOGETHER_MAX``. Requests wait
    for all of them, so they are one commit. Where it is lost, it is tried again without
    those by which it was. Where this raises StoreUnavailable, none was written.
    """
    assert len(handed) <= HANDED_TOGETHER_MAX
    for it in handed:
        assert it.held.record.primary is not None
        assert it.held.record.primary.node == me.registration.id
        _check_new_primary(it.held.record, it.record, it.target)
    outcomes: dict[int, Won | Lost[HeldPartition]] = {}
    left = {
        number: (
            _partition_swap(keys, it.record, it.held.mod_revision),
            (_stands(keys, me), _stands(keys, it.target)),
        )
        for number, it in enumerate(handed)
    }
    is_certain = True
    while left:
        guards = [guard for _, each in left.values() for guard in each]
        try:
            settled = await settle(store, [swap for swap, _ in left.values()], guards)
        except (StoreUnavailable, StoreRefused) as error:
            if is_certain:
                raise
            raise OutcomeUnknown(f"an earlier commit may stand: {error}") from error
        is_certain = is_certain and settled.certain
        ended = {
            number: swap
            for number, (swap, each) in left.items()
            if settled.won or not {swap.guard, *each}.isdisjoint(settled.failed)
        }
        assert ended, "a guard that failed is somebody's"
        for number, swap in ended.items():
            del left[number]
            outcomes[number] = _outcome(swap, settled)
    return tuple(outcomes[number] for number in range(len(handed)))


def _check_same_primary(old: PartitionRecord, new: PartitionRecord, me: LiveNode) -> None:
    assert old.primary is not None
    assert old.primary.node == me.registration.id
    assert (new.epoch, new.primary, new.primary_incarnation) == (
        old.epoch,
        old.primary,
        old.primary_incarnation,
    )


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


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A record to be written over the one at ``expected``, if all ``guards`` hold."""

    record: PartitionRecord
    expected: Revision
    guards: tuple[Guard, ...]


async def _swap_together(
    store: Store, keys: Keys, guarded: Sequence[_Guarded]
) -> tuple[Won | Lost[HeldPartition], ...]:
    """Write them by as few commits as may be; where one of them loses, each by itself.

    Where this raises StoreUnavailable or StoreRefused, none was written: once some may
    stand, OutcomeUnknown is raised in its place.
    """
    outcomes: list[Won | Lost[HeldPartition]] = []
    for chunk in _chunks(guarded):
        swaps = [_partition_swap(keys, it.record, it.expected) for it in chunk]
        guards = [guard for it in chunk for guard in it.guards]
        try:
            settled = await settle(store, swaps, guards)
        except (StoreUnavailable, StoreRefused) as error:
            raise _in_doubt(error, outcomes) from error
        if settled.won or len(chunk) == 1:
            outcomes += [_outcome(swap, settled) for swap in swaps]
            continue
        alone = await asyncio.gather(
            *(_swap(store, keys, it.record, it.expected, it.guards) for it in chunk),
            return_exceptions=True,
        )
        failed = next((it for it in alone if isinstance(it, BaseException)), None)
        outcomes += [it for it in alone if not isinstance(it, BaseException)]
        if isinstance(failed, StoreUnavailable | StoreRefused):
            may_stand = any(isinstance(it, OutcomeUnknown) for it in alone)
            raise _in_doubt(failed, outcomes, may_stand=may_stand) from failed
        if failed is not None:
            raise failed
    return tuple(outcomes)


def _in_doubt(
    error: StoreUnavailable | StoreRefused,
    outcomes: Sequence[Won | Lost[HeldPartition]],
    *,
    may_stand: bool = False,
) -> Exception:
    """What to raise for an error of a later commit: of the earlier ones some may stand."""
    if may_stand or any(isinstance(it, Won) for it in outcomes):
        return OutcomeUnknown(f"an earlier commit may stand: {error}")
    return error


def _chunks(guarded: Sequence[_Guarded]) -> Iterator[list[_Guarded]]:
    """As many in one commit as etcd takes guards."""
    chunk: list[_Guarded] = []
    guards: set[Guard] = set()
    for it in guarded:
        if chunk and len(chunk) + 1 + len(guards.union(it.guards)) > RECORDS_PER_COMMIT:
            yield chunk
            chunk, guards = [], set()
        chunk.append(it)
        guards.update(it.guards)
    if chunk:
        yield chunk


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
