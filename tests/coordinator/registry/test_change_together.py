"""Changing many records together: an error after one may stand is never "not written"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry_scenes import live, served_by
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import Lost, Won, change_as_primary, change_together
from shoal_coordinator.registry.port import Committed, OutcomeUnknown, Store, StoreUnavailable
from shoal_coordinator.registry.records import NodeId, PartitionRecord
from shoal_coordinator.registry.view import HeldPartition

Change = tuple[HeldPartition, PartitionRecord]


def moving(held: list[HeldPartition]) -> list[Change]:
    return [(it, replace(it.record, handoff_to=NodeId("b"))) for it in held]


class LaterUnavailable(MemoryStore):
    """So many more commits go through; then etcd is away."""

    left = 0

    async def commit(self, *args: Any, **named: Any) -> Committed:
        if self.left == 0:
            raise StoreUnavailable("gone")
        self.left -= 1
        return await super().commit(*args, **named)


async def test_one_that_moved_does_not_keep_the_others(store: Store, keys: Keys) -> None:
    a = await live(store, keys, "a")
    held = await served_by(store, keys, a, 3)
    moved = replace(held[1].record, handoff_to=NodeId("c"))
    assert isinstance(await change_as_primary(store, keys, held[1], moved, a), Won)
    outcomes = await change_together(store, keys, moving(held), a)
    assert [isinstance(it, Lost) for it in outcomes] == [False, True, False]


@pytest.mark.parametrize(
    ("commits", "error"),
    [(0, StoreUnavailable), (1, StoreUnavailable), (2, OutcomeUnknown), (3, OutcomeUnknown)],
    ids=["none", "the one that lost", "one of them", "two of them"],
)
async def test_what_may_stand_is_not_called_unwritten(commits: int, error: type[Exception]) -> None:
    memory, keys = MemoryStore(), Keys("t")
    a = await live(memory, keys, "a")
    held = await served_by(memory, keys, a, 3)
    moved = replace(held[2].record, handoff_to=NodeId("c"))
    assert isinstance(await change_as_primary(memory, keys, held[2], moved, a), Won)
    store = LaterUnavailable(memory.etcd)
    store.left = commits
    with pytest.raises((StoreUnavailable, OutcomeUnknown)) as raised:
        await change_together(store, keys, moving(held), a)
    assert type(raised.value) is error


async def test_many_of_which_a_later_commit_fails_are_in_doubt() -> None:
    memory, keys = MemoryStore(), Keys("t")
    a = await live(memory, keys, "a")
    held = await served_by(memory, keys, a, 120)
    store = LaterUnavailable(memory.etcd)
    store.left = 1
    with pytest.raises(OutcomeUnknown):
        await change_together(store, keys, moving(held), a)
