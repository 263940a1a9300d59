"""Endpoints that are dead, frozen, or of another etcd."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest

from etcd_process import EtcdProcess, free_port
from shoal_coordinator.registry.etcd import EtcdSettings, open_store
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.port import (
    ABSENT,
    OutcomeUnknown,
    Put,
    Revision,
    Store,
    StoreUnavailable,
    StoreWentBack,
)
from tcp_proxy import TcpProxy
from through_faults import (
    KEYS,
    exhaust,
    put,
    told,
)

pytestmark = pytest.mark.etcd


@pytest.mark.parametrize("dead_first", [True, False])
async def test_a_dead_endpoint_is_passed_over(
    own_etcd: EtcdProcess, quick: EtcdSettings, dead_first: bool
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    urls = [dead, own_etcd.url] if dead_first else [own_etcd.url, dead]
    store = open_store(",".join(urls), quick)
    try:
        async with asyncio.timeout(5):
            revision = await put(store, KEYS.config)
            async with aclosing(store.watch(KEYS.prefix, Revision(revision - 1))) as watch:
                assert told((await anext(watch)).events[0]) == (KEYS.config, revision)
        lease = await store.grant_lease(5)
        keeper = store.lease_keeper()
        kept = []
        for _ in range(2):
            try:
                kept.append(await asyncio.to_thread(keeper.keep_alive, lease.id, 1.0))
            except StoreUnavailable:
                assert dead_first
        assert 5 in kept
        keeper.close()
    finally:
        await store.close()


async def test_a_frozen_endpoint_is_left_for_one_that_answers(
    own_etcd: EtcdProcess, quick: EtcdSettings
) -> None:
    """The first endpoint leads through a proxy that stops passing anything on."""
    async with TcpProxy(own_etcd.port) as proxy:
        store = open_store(f"{proxy.url},{own_etcd.url}", quick)
        try:
            start = await put(store, f"{KEYS.prefix}a")
            # Sooner than gRPC's own keepalive would notice.
            async with asyncio.timeout(9), aclosing(store.watch(KEYS.prefix, start)) as watch:
                waiting = asyncio.ensure_future(anext(watch))
                await waiting  # the watch is open: it gave a sign of life
                proxy.hold(holding=True)
                with pytest.raises(OutcomeUnknown):
                    await store.commit([], [Put(f"{KEYS.prefix}held", b"")])
                revision = await put(store, f"{KEYS.prefix}b")
                events = await anext(watch)
                while not events.events:
                    events = await anext(watch)
                assert told(events.events[0]) == (f"{KEYS.prefix}b", revision)
        finally:
            proxy.hold(holding=False)
            await store.close()


async def test_an_etcd_created_anew_is_noticed_by_reads_commits_and_watches(
    own_etcd: EtcdProcess, quick: EtcdSettings, tmp_path: Path
) -> None:
    stores = [open_store(own_etcd.url, quick) for _ in range(3)]
    last = ABSENT
    for number in range(5):
        last = await put(stores[0], f"{KEYS.prefix}{number}")
    for store in stores:
        await store.read(KEYS.prefix)
    following = follow(stores[2], KEYS)
    await anext(following)
    await asyncio.to_thread(own_etcd.kill)
    shutil.rmtree(tmp_path / "data")
    await asyncio.to_thread(own_etcd.start)

    async with asyncio.timeout(30):
        with pytest.raises(StoreWentBack):
            await stores[0].read(KEYS.prefix)
        with pytest.raises(StoreWentBack):
            await commit_through(stores[1])
        with pytest.raises(StoreWentBack):
            await exhaust(following)
    assert last > ABSENT
    for store in stores:
        await store.close()


async def commit_through(store: Store) -> None:
    while True:
        try:
            await store.commit([], [])
        except OutcomeUnknown:
            continue
        return


async def test_endpoints_of_two_clusters_are_noticed(
    request: pytest.FixtureRequest, own_etcd: EtcdProcess, quick: EtcdSettings
) -> None:
    other: EtcdProcess = request.getfixturevalue("shared_etcd")
    store = open_store(f"{own_etcd.url},{other.url}", quick)
    await store.read(KEYS.prefix)
    own_etcd.kill()
    with pytest.raises(StoreWentBack, match="another cluster"):
        await store.read(KEYS.prefix)
    await store.close()
