"""Watches of an etcd that is killed, frozen, compacted and cut off."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from etcd_process import EtcdProcess
from shoal_coordinator.registry import codec
from shoal_coordinator.registry.etcd import EtcdSettings, EtcdStore, open_store
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.port import (
    Compacted,
    Put,
    Revision,
)
from shoal_coordinator.registry.records import ClusterConfig, CoordinatorLeader
from tcp_proxy import TcpProxy
from through_faults import (
    KEYS,
    collect,
    exhaust,
    history,
    put,
    put_through,
    told,
    until,
    write_until,
)

pytestmark = pytest.mark.etcd
LEADER = CoordinatorLeader("c1", "h:1")
CONFIG = codec.encode_config(ClusterConfig(256, 1, 3, 1, "x"))


async def test_a_watch_survives_sigkill_without_gap_or_duplicate(
    own_etcd: EtcdProcess, direct: EtcdStore, quick: EtcdSettings
) -> None:
    start = (await direct.read(KEYS.prefix)).revision
    writer = open_store(own_etcd.url, quick)
    stop = asyncio.Event()
    writing = asyncio.create_task(write_until(writer, stop))
    seen: list[tuple[str, Revision]] = []
    watching = asyncio.create_task(collect(direct, start, Revision(2**62), seen))
    async with asyncio.timeout(60):
        for _ in range(3):
            before = len(seen)
            await until(lambda wanted=before + 50: len(seen) >= wanted)
            await asyncio.to_thread(own_etcd.kill)
            await asyncio.to_thread(own_etcd.start)
        stop.set()
        last = await writing
        await until(lambda: bool(seen) and seen[-1][1] >= last)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    revisions = [revision for _, revision in seen]
    assert revisions == list(range(start + 1, last + 1)), "one event a revision, each once"
    assert seen == await history(writer, start, last)
    await writer.close()


async def test_a_watch_that_is_cut_again_and_again_tells_everything_once(
    proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore
) -> None:
    start = (await direct.read(KEYS.prefix)).revision
    seen: list[tuple[str, Revision]] = []
    watching = asyncio.create_task(collect(cuttable, start, Revision(2**62), seen))
    async with asyncio.timeout(60):
        last = start
        for number in range(600):
            # Two keys a revision: a cut in between must not split them.
            committed = await direct.commit(
                [], [Put(f"{KEYS.prefix}a", bytes(2000)), Put(f"{KEYS.prefix}b", b"")]
            )
            last = committed.revision
            if number % 60 == 30:
                proxy.cut()
        await until(lambda: bool(seen) and seen[-1][1] >= last)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert seen == [
        (f"{KEYS.prefix}{name}", Revision(revision))
        for revision in range(start + 1, last + 1)
        for name in ("a", "b")
    ]


async def test_a_watch_hears_a_silent_etcd_out_and_goes_on_after_it(
    own_etcd: EtcdProcess, direct: EtcdStore
) -> None:
    start = await put(direct, f"{KEYS.prefix}a")
    async with asyncio.timeout(30), aclosing(direct.watch(KEYS.prefix, start)) as watch:
        # Quiet, but alive: it says so without being written to.
        first = await anext(watch)
        assert first.events == ()
        own_etcd.freeze()
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.wait({waiting}, timeout=2.0)
        own_etcd.thaw()
        revision = await put_through(direct, f"{KEYS.prefix}b")
        events = await waiting
        while not events.events:
            events = await anext(watch)
        assert told(events.events[0]) == (f"{KEYS.prefix}b", revision)


async def test_compaction_while_cut_off_is_told_and_followed_by_a_new_listing(
    own_etcd: EtcdProcess, proxy: TcpProxy, cuttable: EtcdStore, direct: EtcdStore
) -> None:
    start = await put(direct, KEYS.config, CONFIG)
    plain = cuttable.watch(KEYS.prefix, start)
    async with asyncio.timeout(60), aclosing(plain), aclosing(follow(cuttable, KEYS)) as views:
        assert (await anext(views)).config is not None
        first = asyncio.ensure_future(anext(plain))
        await put(direct, f"{KEYS.prefix}x")
        assert (await first).events != ()
        proxy.refuse(refusing=True)
        await direct.commit([], [Put(KEYS.leader, codec.encode_leader(LEADER))])
        for _ in range(5):
            last = await put(direct, "/elsewhere")
        await asyncio.to_thread(own_etcd.compact, last)
        proxy.refuse(refusing=False)
        with pytest.raises(Compacted) as raised:
            await exhaust(plain)
        assert raised.value.revision == last
        view = await anext(views)
        while view.leader is None:
            view = await anext(views)
        assert view.revision >= last
