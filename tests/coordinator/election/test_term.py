"""Terms of leadership: won, watched over, and given back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.term import Candidate, Term, watch_over
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.registry.upkeep import boottime_ns

KEYS = Keys("test")
WITHIN_SECONDS = 10.0


def candidate(store: MemoryStore, name: str) -> Candidate:
    return Candidate(store, KEYS, CoordinatorLeader(name, f"{name}:1"), 1, lambda: True)


@contextlib.asynccontextmanager
async def following(store: MemoryStore) -> AsyncIterator[LatestView]:
    latest = LatestView()

    async def run() -> None:
        async with contextlib.aclosing(follow(store, KEYS)) as views:
            async for view in views:
                await latest.put(view)

    task = asyncio.create_task(run())
    try:
        yield latest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def elected(store: MemoryStore, name: str) -> Term:
    term = await candidate(store, name).stand()
    assert term is not None
    return term


async def test_of_two_candidates_one_is_elected_and_the_other_keeps_no_lease() -> None:
    etcd = MemoryEtcd(boottime_ns)
    one, two = MemoryStore(etcd), MemoryStore(etcd)
    term = await elected(one, "one")
    assert await candidate(two, "two").stand() is None
    await candidate(one, "one").close(term)
    assert not (await one.read(KEYS.leader)).items


async def test_a_closed_term_lets_the_next_be_elected_at_once() -> None:
    etcd = MemoryEtcd(boottime_ns)
    one, two = MemoryStore(etcd), MemoryStore(etcd)
    first = await elected(one, "one")
    await candidate(one, "one").close(first)
    second = await elected(two, "two")
    assert second.leadership.create_revision > first.leadership.create_revision
    await candidate(two, "two").close(second)


async def test_a_lease_that_is_revoked_ends_the_term() -> None:
    store = MemoryStore(MemoryEtcd(boottime_ns))
    term = await elected(store, "one")
    async with following(store) as latest, asyncio.timeout(WITHIN_SECONDS):
        watching = asyncio.create_task(watch_over(term, latest))
        await store.revoke_lease(term.upkeep.lease_id)
        await watching
    assert term.ended.done()
    await candidate(store, "one").close(term)


async def test_a_leader_that_is_cut_off_stops_before_its_lease_ends() -> None:
    etcd = MemoryEtcd(boottime_ns)
    store, other = MemoryStore(etcd), MemoryStore(etcd)
    term = await elected(store, "one")
    async with following(store) as latest, asyncio.timeout(WITHIN_SECONDS):
        store.set_available(available=False)
        await watch_over(term, latest)
        assert term.ended.result() == "the lease was not renewed in time"
        assert (await other.read(KEYS.leader)).items, "the store still shows the old leader"
        await candidate(store, "one").close(term)
        await other_is_elected(other)


async def other_is_elected(other: MemoryStore) -> None:
    async with following(other) as latest:
        await latest.until(lambda view: view.leader is None)
        term = await elected(other, "two")
        await candidate(other, "two").close(term)


async def test_a_leadership_deleted_by_hand_ends_the_term() -> None:
    store = MemoryStore(MemoryEtcd(boottime_ns))
    term = await elected(store, "one")
    async with following(store) as latest, asyncio.timeout(WITHIN_SECONDS):
        watching = asyncio.create_task(watch_over(term, latest))
        await latest.until(lambda view: view.leader is not None)
        from shoal_coordinator.registry.operations import resign

        await resign(store, KEYS, term.leadership)
        await watching
    assert term.ended.result() == "the registry shows nobody as leader"
    await candidate(store, "one").close(term)
