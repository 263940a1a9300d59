"""The store in memory is etcd's twin: the same random operations come to the same.

Revisions are compared exactly, counted from where each store started.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from shoal_coordinator.registry.etcd import EtcdStore
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.port import (
    ABSENT,
    NO_LEASE,
    Change,
    Changed,
    CreatedAt,
    Delete,
    Event,
    Guard,
    Item,
    LeaseId,
    LeaseLost,
    ModifiedAt,
    Put,
    Removed,
    Revision,
    Store,
)

pytestmark = pytest.mark.etcd
PREFIX = "/twins/"
NAMES = [f"{PREFIX}{name}" for name in ("a", "b", "ba", "c")]


class Twin:
    """One of the two stores, speaking in revisions and leases that both understand."""

    def __init__(self, store: Store, start: Revision) -> None:
        self.store = store
        self.start = start
        self.leases: list[LeaseId] = [NO_LEASE]

    async def grant(self) -> object:
        lease = await self.store.grant_lease(60)
        self.leases.append(lease.id)
        return lease.ttl_seconds

    async def revoke(self, index: int) -> object:
        return await self.store.revoke_lease(self.leases[index])

    async def commit(
        self, guards: Sequence[Guard], changes: Sequence[Change], keys: Sequence[str]
    ) -> object:
        own_guards = [replace(guard, revision=self._own(guard.revision)) for guard in guards]
        own_changes = [
            replace(change, lease=self.leases[change.lease]) if isinstance(change, Put) else change
            for change in changes
        ]
        try:
            committed = await self.store.commit(own_guards, own_changes, keys)
        except LeaseLost:
            return "lease lost"
        return committed.won, committed.revision - self.start, self._items(committed.found)

    async def read(self) -> tuple[int, list[Item]]:
        reading = await self.store.read(PREFIX)
        return reading.revision - self.start, self._items(reading.items)

    async def history(self) -> list[Event]:
        last = (await self.store.read(PREFIX)).revision
        told: list[Event] = []
        if last == self.start:
            return told
        async with aclosing(self.store.watch(PREFIX, self.start)) as watch:
            async for events in watch:
                told += [self._event(event) for event in events.events]
                if events.revision >= last:
                    return told
        raise AssertionError("a watch does not end")

    def _own(self, revision: Revision) -> Revision:
        return ABSENT if revision == ABSENT else Revision(revision + self.start)

    def _item(self, item: Item) -> Item:
        return Item(
            item.key,
            item.value,
            Revision(item.create_revision - self.start),
            Revision(item.mod_revision - self.start),
            LeaseId(self.leases.index(item.lease)),
        )

    def _items(self, items: Sequence[Item]) -> list[Item]:
        return [self._item(item) for item in items]

    def _event(self, event: Event) -> Event:
        if isinstance(event, Removed):
            return Removed(event.key, Revision(event.revision - self.start))
        return Changed(self._item(event.item))


def random_guard(rng: random.Random, standing: dict[str, Item]) -> Guard:
    """One that holds more often than not."""
    key = rng.choice(NAMES)
    item = standing.get(key)
    kind = rng.choice([CreatedAt, ModifiedAt])
    if rng.random() < 0.2:
        return kind(key, Revision(rng.randrange(1, 20)))
    if item is None:
        return kind(key, ABSENT)
    return kind(key, item.create_revision if kind is CreatedAt else item.mod_revision)


def random_changes(rng: random.Random, leases: int) -> list[Change]:
    keys = rng.sample(NAMES, rng.randrange(len(NAMES)))
    return [
        Delete(key)
        if rng.random() < 0.4
        else Put(key, rng.randbytes(3), LeaseId(rng.choice([0, 0, rng.randrange(leases)])))
        for key in keys
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_the_same_operations_come_to_the_same(direct: EtcdStore, seed: int) -> None:
    rng = random.Random(seed)
    memory = MemoryStore()
    twins = [
        Twin(direct, (await direct.read(PREFIX)).revision),
        Twin(memory, memory.etcd.revision),
    ]
    outcomes = set()
    async with asyncio.timeout(60):
        for _ in range(150):
            _, items = await twins[1].read()
            standing = {item.key: item for item in items}
            leases = len(twins[0].leases)
            match rng.randrange(8):
                case 0:
                    answers = [await twin.grant() for twin in twins]
                case 1 if leases > 1:
                    index = rng.randrange(1, leases)
                    answers = [await twin.revoke(index) for twin in twins]
                case _:
                    guards = [random_guard(rng, standing) for _ in range(rng.randrange(3))]
                    changes = random_changes(rng, leases)
                    keys = rng.sample(NAMES, rng.randrange(len(NAMES)))
                    answers = [await twin.commit(guards, changes, keys) for twin in twins]
                    outcomes.add(answers[0] if answers[0] == "lease lost" else answers[0][0])
            assert answers[0] == answers[1]
            readings = [await twin.read() for twin in twins]
            assert readings[0] == readings[1]
        histories = [await twin.history() for twin in twins]
    assert histories[0] == histories[1]
    assert outcomes == {True, False, "lease lost"}
