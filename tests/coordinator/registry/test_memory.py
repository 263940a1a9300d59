"""The faults that the store in memory can be ordered to show."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from shoal_coordinator.registry.memory import CommitFault, MemoryEtcd, MemoryStore
from shoal_coordinator.registry.port import (
    LeaseLost,
    OutcomeUnknown,
    Put,
    Removed,
    StoreUnavailable,
    StoreWentBack,
)

PUT = Put("/a", b"1")


async def test_a_commit_fails_as_ordered() -> None:
    store = MemoryStore()
    start = store.etcd.revision
    store.fail_commits(CommitFault.REFUSED, CommitFault.LOST_BEFORE, CommitFault.LOST_AFTER)
    with pytest.raises(StoreUnavailable):
        await store.commit([], [PUT])
    with pytest.raises(OutcomeUnknown):
        await store.commit([], [PUT])
    assert store.etcd.revision == start
    with pytest.raises(OutcomeUnknown):
        await store.commit([], [PUT])
    assert store.etcd.revision == start + 1
    assert (await store.commit([], [PUT])).won


async def test_one_process_is_cut_off_and_the_others_are_not() -> None:
    etcd = MemoryEtcd()
    cut, other = MemoryStore(etcd), MemoryStore(etcd)
    lease = await cut.grant_lease(3)
    cut.set_available(available=False)
    for call in (
        cut.read("/"),
        cut.commit([], [PUT]),
        cut.grant_lease(3),
        cut.revoke_lease(lease.id),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    with pytest.raises(StoreUnavailable):
        cut.lease_keeper().keep_alive(lease.id, 1.0)
    assert (await other.commit([], [PUT])).won


async def test_a_watch_that_was_cut_off_resumes_where_it_was() -> None:
    etcd = MemoryEtcd()
    store, other = MemoryStore(etcd), MemoryStore(etcd)
    async with aclosing(store.watch("/", etcd.revision)) as watch:
        await other.commit([], [PUT])
        first = await anext(watch)
        store.set_available(available=False)
        await other.commit([], [PUT])
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        store.set_available(available=True)
        second = await waiting
    assert second.revision == first.revision + 1
    assert len(second.events) == 1


async def test_a_restored_backup_is_noticed_for_ever() -> None:
    etcd = MemoryEtcd()
    store = MemoryStore(etcd)
    backup = (await store.commit([], [PUT])).revision
    await store.commit([], [Put("/b", b"2")])
    etcd.go_back(backup)
    with pytest.raises(StoreWentBack):
        await store.read("/")
    # Another process, started since, sees the backup as it was made.
    reading = await MemoryStore(etcd).read("/")
    assert [item.key for item in reading.items] == ["/a"]
    assert reading.revision == backup


async def test_another_etcd_is_noticed() -> None:
    store = MemoryStore(MemoryEtcd(cluster_id=1))
    await store.commit([], [PUT])
    store.etcd = MemoryEtcd(cluster_id=2)
    with pytest.raises(StoreWentBack):
        await store.read("/")


async def test_leases_run_out_by_a_clock_of_the_callers_own() -> None:
    store = MemoryStore(MemoryEtcd(clock_ns=time.monotonic_ns))
    lease = await store.grant_lease(1)
    bound = (await store.commit([], [Put("/a", b"", lease.id)])).revision
    async with asyncio.timeout(10), aclosing(store.watch("/", bound)) as watch:
        events = await anext(watch)
    assert events.events == (Removed("/a", events.revision),)
    with pytest.raises(LeaseLost):
        await store.commit([], [Put("/a", b"", lease.id)])
