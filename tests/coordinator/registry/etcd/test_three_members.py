"""A cluster of three whose members die, freeze and lose their quorum."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from etcd_process import EtcdProcess, three_members
from shoal_coordinator.registry.etcd import EtcdSettings, EtcdStore, open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.settle import Swap, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    Changed,
    ModifiedAt,
    OutcomeUnknown,
    Put,
    Revision,
    StoreUnavailable,
)
from through_faults import until

pytestmark = pytest.mark.etcd
KEYS = Keys("three")


@pytest.fixture
def members(etcd_binary: Path, tmp_path: Path) -> Iterator[tuple[EtcdProcess, ...]]:
    started = three_members(etcd_binary, tmp_path)
    yield started
    for member in started:
        member.kill()


@pytest.fixture
async def store(members: tuple[EtcdProcess, ...], quick: EtcdSettings) -> AsyncIterator[EtcdStore]:
    opened = open_store(",".join(member.url for member in members), quick)
    yield opened
    await opened.close()


async def swap_through(store: EtcdStore, turn: int, expected: Revision) -> Revision:
    """Swap the one key, through every failure. Whoever loses was overwritten by nobody."""
    swap = Swap(ModifiedAt(KEYS.config, expected), Put(KEYS.config, b"%d" % turn))
    while True:
        try:
            settled = await settle(store, [swap])
        except StoreUnavailable:
            continue
        except OutcomeUnknown:
            # Not known within the bound: the next look at the key is the next turn's.
            continue
        if settled.won:
            return settled.revision
        standing = settled.item(KEYS.config)
        assert standing is not None
        assert standing.value == b"%d" % turn
        return standing.mod_revision


async def test_members_die_and_freeze_in_turn_and_nothing_is_lost_or_told_twice(
    members: tuple[EtcdProcess, ...], store: EtcdStore
) -> None:
    start = (await store.read(KEYS.prefix)).revision
    seen: list[tuple[bytes, Revision]] = []
    swapped: list[Revision] = []
    stop = asyncio.Event()

    async def watch() -> None:
        async with aclosing(store.watch(KEYS.prefix, start)) as events_of_watch:
            async for events in events_of_watch:
                for event in events.events:
                    assert isinstance(event, Changed)
                    seen.append((event.item.value, event.item.mod_revision))

    async def write() -> None:
        expected = ABSENT
        while not stop.is_set():
            expected = await swap_through(store, len(swapped), expected)
            swapped.append(expected)

    tasks = [asyncio.create_task(watch()), asyncio.create_task(write())]
    async with asyncio.timeout(100):
        for number, member in enumerate(members):
            written = len(swapped)
            if number == 1:
                member.freeze()
                await until(lambda wanted=written + 50: len(swapped) >= wanted)
                member.thaw()
            else:
                await asyncio.to_thread(member.kill)
                await until(lambda wanted=written + 50: len(swapped) >= wanted)
                await asyncio.to_thread(member.start)
        stop.set()
        await tasks[1]
        await until(lambda: len(seen) >= len(swapped))
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)

    assert [revision for _, revision in seen] == swapped
    assert [value for value, _ in seen] == [b"%d" % turn for turn in range(len(swapped))]


async def test_without_a_quorum_everything_waits_and_then_goes_on(
    members: tuple[EtcdProcess, ...], store: EtcdStore
) -> None:
    start = (await store.commit([], [Put(KEYS.config, b"before")])).revision
    async with asyncio.timeout(100), aclosing(store.watch(KEYS.prefix, start)) as watch:
        await anext(watch)
        for member in members[:2]:
            member.freeze()
        with pytest.raises(StoreUnavailable):
            await store.read(KEYS.prefix)
        with pytest.raises((StoreUnavailable, OutcomeUnknown)):
            await store.commit([], [Put(KEYS.leader, b"")])
        for member in members[:2]:
            member.thaw()
        revision = await swap_through(store, 1, start)
        told = {}
        while revision not in told:
            events = await anext(watch)
            for event in events.events:
                assert isinstance(event, Changed)
                assert event.item.mod_revision not in told
                told[event.item.mod_revision] = event.item.value
        assert told[revision] == b"1"
