"""Handing partitions over: one commit for many, all or none of them at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry_scenes import leading, live, plan, planned, served_by, taken_by
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import (
    HANDED_TOGETHER_MAX,
    Handed,
    Lost,
    Won,
    change_as_primary,
    hand_over,
    take_over,
)
from shoal_coordinator.registry.port import (
    Committed,
    CreatedAt,
    OutcomeUnknown,
    Store,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import NodeId
from shoal_coordinator.registry.view import HeldPartition


async def test_a_partition_is_handed_to_who_lives(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    a, b = await live(store, keys, "a"), await live(store, keys, "b")
    held = await plan(store, keys, leadership, planned(0, "a", "b"))
    record = taken_by(held.record, a)
    won = await take_over(store, keys, held, record, a, old=None)
    assert isinstance(won, Won)
    held = HeldPartition(record, won.mod_revision)

    gone = await live(store, keys, "gone")
    await store.revoke_lease(gone.lease)
    to_gone = Handed(held, taken_by(record, gone), gone)
    assert await hand_over(store, keys, [to_gone], a) == (
        Lost(held, (CreatedAt(keys.node(NodeId("gone")), gone.create_revision),)),
    )
    to_b = Handed(held, taken_by(record, b), b)
    assert isinstance((await hand_over(store, keys, [to_b], a))[0], Won)
    assert isinstance((await hand_over(store, keys, [to_b], a))[0], Lost)


async def test_partitions_are_handed_over_by_one_commit(store: Store, keys: Keys) -> None:
    a, b, c = [await live(store, keys, name) for name in "abc"]
    held = await served_by(store, keys, a, HANDED_TOGETHER_MAX)
    handed = [
        Handed(it, taken_by(it.record, to), to)
        for it, to in zip(held, [b, c] * len(held), strict=False)
    ]
    outcomes = await hand_over(store, keys, handed, a)
    assert all(isinstance(it, Won) for it in outcomes)
    assert len({it.mod_revision for it in outcomes if isinstance(it, Won)}) == 1
    assert await hand_over(store, keys, [], a) == ()


async def test_one_that_cannot_be_handed_over_does_not_keep_the_others(
    store: Store, keys: Keys
) -> None:
    a, b, gone = [await live(store, keys, name) for name in ("a", "b", "gone")]
    first, moved, to_gone, last = await served_by(store, keys, a, 4)
    await store.revoke_lease(gone.lease)
    asked = replace(moved.record, handoff_to=NodeId("b"))
    changed = await change_as_primary(store, keys, moved, asked, a)
    assert isinstance(changed, Won)
    handed = [Handed(it, taken_by(it.record, b), b) for it in (first, moved, last)]
    handed.insert(2, Handed(to_gone, taken_by(to_gone.record, gone), gone))
    outcomes = await hand_over(store, keys, handed, a)
    assert [isinstance(it, Won) for it in outcomes] == [True, False, False, True]
    assert isinstance(outcomes[1], Lost)
    assert outcomes[1].current == HeldPartition(asked, changed.mod_revision)
    assert isinstance(outcomes[2], Lost)
    assert outcomes[2].current == to_gone


async def test_a_node_that_is_registered_no_more_hands_nothing_over(
    store: Store, keys: Keys
) -> None:
    a, b = await live(store, keys, "a"), await live(store, keys, "b")
    held = await served_by(store, keys, a, 2)
    await store.revoke_lease(a.lease)
    handed = [Handed(it, taken_by(it.record, b), b) for it in held]
    outcomes = await hand_over(store, keys, handed, a)
    assert [it.current for it in outcomes if isinstance(it, Lost)] == held


async def test_a_hand_over_of_which_an_earlier_commit_may_stand_is_in_doubt() -> None:
    memory = MemoryStore()
    keys = Keys("t")
    a, b = await live(memory, keys, "a"), await live(memory, keys, "b")
    first, second = await served_by(memory, keys, a, 2)

    class Overwritten(MemoryStore):
        """The first commit stands, its answer is lost, and its first record is changed."""

        async def commit(self, *args: Any, **named: Any) -> Committed:
            if self.commits > 0:
                raise StoreUnavailable("gone")
            await super().commit(*args, **named)
            stands = HeldPartition(taken_by(first.record, b), (await memory.read("")).revision)
            later = replace(stands.record, handoff_to=NodeId("a"))
            assert isinstance(await change_as_primary(memory, keys, stands, later, b), Won)
            raise OutcomeUnknown("its answer was lost")

    handed = [Handed(it, taken_by(it.record, b), b) for it in (first, second)]
    with pytest.raises(OutcomeUnknown):
        await hand_over(Overwritten(memory.etcd), keys, handed, a)
