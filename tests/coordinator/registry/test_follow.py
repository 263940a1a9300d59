"""Views as they come: in order, coalesced, through compaction and absence. On both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from structlog.testing import capture_logs

from shoal_coordinator.registry import codec
from shoal_coordinator.registry.follow import follow
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.port import (
    Compacted,
    Delete,
    Events,
    Item,
    LeaseId,
    Put,
    Reading,
    Revision,
    Store,
    StoreWentBack,
)
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView

CONFIG = codec.encode_config(ClusterConfig(256, 1, 3, 1, "x"))
RECORD = codec.encode_partition(PartitionRecord(PartitionId(0), UNTAKEN, None, None, (), (), ()))


def member(name: str) -> bytes:
    return codec.encode_member(Member(NodeId(name), MemberState.ACTIVE, 1, ""))


def registration(name: str) -> bytes:
    return codec.encode_registration(
        NodeRegistration(NodeId(name), "h:1", "", 1, Incarnation("i"), "0", "")
    )


async def until(
    views: AsyncGenerator[ClusterView], done: Callable[[ClusterView], bool]
) -> ClusterView:
    """The first view for which ``done``; on the way revisions rise and never fall."""
    highest = 0
    async with asyncio.timeout(20):
        async for view in views:
            assert view.revision > highest
            highest = view.revision
            if done(view):
                return view
    raise AssertionError("the views ended")


async def test_views_follow_what_is_written(store: Store, keys: Keys) -> None:
    await store.commit([], [Put(keys.config, CONFIG)])
    async with aclosing(follow(store, keys)) as views:
        first = await until(views, lambda view: True)
        assert first.config == ClusterConfig(256, 1, 3, 1, "x")
        assert (first.nodes, first.members, first.partitions, first.leader) == ({}, {}, {}, None)

        lease = await store.grant_lease(30)
        n1 = NodeId("n1")
        registered = await store.commit([], [Put(keys.node(n1), registration("n1"), lease.id)])
        view = await until(views, lambda view: n1 in view.nodes)
        assert view.revision == registered.revision
        assert view.nodes[n1].create_revision == registered.revision
        assert view.nodes[n1].lease == lease.id

        await store.revoke_lease(lease.id)
        await until(views, lambda view: n1 not in view.nodes)


async def test_what_a_busy_consumer_missed_comes_as_one_view(store: Store, keys: Keys) -> None:
    async with aclosing(follow(store, keys)) as views:
        await until(views, lambda view: True)
        for number in range(50):
            name = f"n{number}"
            await store.commit([], [Put(keys.member(NodeId(name)), member(name))])
        # A second follower has seen it all, so the first one's task has had its time.
        async with aclosing(follow(store, keys)) as others:
            await until(others, lambda view: len(view.members) == 50)
        seen = []

        def last(view: ClusterView) -> bool:
            seen.append(len(view.members))
            return seen[-1] == 50

        await until(views, last)
        assert len(seen) < 50


async def test_a_change_elsewhere_gives_no_view(store: Store, keys: Keys) -> None:
    other = Keys(keys.cluster + "-other")
    async with aclosing(follow(store, keys)) as views:
        await until(views, lambda view: True)
        await store.commit([], [Put(other.config, CONFIG)])
        await store.commit([], [Put(keys.config, CONFIG)])
        view = await anext(views)
        assert view.config is not None
    await store.commit([], [Delete(other.config)])


async def test_after_a_compaction_what_is_absent_is_gone() -> None:
    etcd = MemoryEtcd()
    store, writer, keys = MemoryStore(etcd), MemoryStore(etcd), Keys("c")
    await writer.commit([], [Put(keys.member(NodeId("goes")), member("goes"))])
    await writer.commit([], [Put(keys.member(NodeId("stays")), member("stays"))])
    async with aclosing(follow(store, keys)) as views:
        await until(views, lambda view: len(view.members) == 2)
        store.set_available(available=False)
        await writer.commit([], [Delete(keys.member(NodeId("goes")))])
        await writer.commit([], [Put(keys.member(NodeId("comes")), member("comes"))])
        await writer.commit([], [Put("/elsewhere", b"")])
        etcd.compact(etcd.revision)
        store.set_available(available=True)
        view = await until(views, lambda view: NodeId("comes") in view.members)
        assert set(view.members) == {NodeId("stays"), NodeId("comes")}


@pytest.mark.parametrize("restored", ["older", "gone"])
async def test_a_record_that_went_back_under_a_higher_revision_ends_the_following(
    restored: str,
) -> None:
    """A restore may raise etcd's revision, and mark what is below it as compacted."""
    keys = Keys("c")
    key = keys.partition(PartitionId(0))
    then = Item(key, RECORD, Revision(3), Revision(4), LeaseId(0))
    now = [Item(key, RECORD, Revision(3), Revision(3), LeaseId(0))] if restored == "older" else []
    store = Relisted([Reading(Revision(9), (then,)), Reading(Revision(1_000), tuple(now))])
    async with aclosing(follow(store, keys)) as views:
        assert (await anext(views)).revision == 9
        store.compacted.set()
        with pytest.raises(StoreWentBack, match="restored from an older backup"):
            await anext(views)


async def test_a_record_that_is_listed_again_as_it_was_goes_on() -> None:
    keys = Keys("c")
    item = Item(keys.partition(PartitionId(0)), RECORD, Revision(3), Revision(4), LeaseId(0))
    store = Relisted([Reading(Revision(9), (item,)), Reading(Revision(1_000), (item,))])
    async with aclosing(follow(store, keys)) as views:
        assert (await anext(views)).revision == 9
        store.compacted.set()
        assert (await anext(views)).revision == 1_000


class Relisted(MemoryStore):
    """Tells these readings, one after the other; each watch ends by a compaction."""

    def __init__(self, readings: list[Reading]) -> None:
        super().__init__()
        self._readings = iter(readings)
        self.compacted = asyncio.Event()

    async def read(self, prefix: str) -> Reading:
        return next(self._readings)

    async def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        await self.compacted.wait()
        self.compacted.clear()
        raise Compacted(Revision(999))
        yield


async def test_a_store_that_is_away_is_waited_for() -> None:
    store, keys = MemoryStore(), Keys("c")
    await store.commit([], [Put(keys.config, CONFIG)])
    store.set_available(available=False)
    async with aclosing(follow(store, keys)) as views:
        waiting = asyncio.ensure_future(anext(views))
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        store.set_available(available=True)
        async with asyncio.timeout(10):
            assert (await waiting).config is not None


async def test_a_store_that_went_back_ends_it() -> None:
    etcd = MemoryEtcd()
    store, keys = MemoryStore(etcd), Keys("c")
    before = etcd.revision
    await store.commit([], [Put(keys.config, CONFIG)])
    async with aclosing(follow(store, keys)) as views:
        await until(views, lambda view: view.config is not None)
        etcd.go_back(before)
        with pytest.raises(StoreWentBack):
            async with asyncio.timeout(10):
                await anext(views)


async def test_an_unusable_value_is_logged_and_changes_nothing() -> None:
    store, keys = MemoryStore(), Keys("c")
    await store.commit([], [Put(keys.config, CONFIG)])
    async with aclosing(follow(store, keys)) as views:
        first = await until(views, lambda view: True)
        with capture_logs() as logs:
            await store.commit([], [Put(keys.config, b"junk")])
            second = await anext(views)
    assert second.config == first.config
    assert [(log["event"], log["key"]) for log in logs] == [
        ("registry_value_unusable", keys.config)
    ]


async def test_closing_stops_the_watch() -> None:
    store, keys = MemoryStore(), Keys("c")
    views = follow(store, keys)
    await anext(views)
    tasks = asyncio.all_tasks()
    await views.aclose()
    assert [task for task in tasks if not task.done()] == [asyncio.current_task()]
