"""What the cluster in memory can do that a real one cannot; and fill leases between caches."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import shoal
from shoal.testing import Cluster

CACHES = 8


def test_time_passes_at_once() -> None:
    cluster = Cluster()
    with cluster.client() as client:
        client.set("k", b"v", ttl="1h")
        cluster.advance("59m")
        assert client.get("k") == b"v"
        cluster.advance("61s")
        assert client.get("k") is shoal.MISSING


def test_down_is_unavailable_and_loses_nothing() -> None:
    cluster = Cluster()
    with cluster.client() as client:
        client.set("k", b"v")
        with cluster.down():
            with pytest.raises(shoal.Unavailable) as caught:
                client.set("k", b"w")
            assert caught.value.outcome is shoal.Outcome.NOT_APPLIED
            assert client.cache().get_or_load("k", lambda: "row", ttl=60) == "row"
        assert client.get("k") == b"v"


def test_clear_forgets_everything() -> None:
    cluster = Cluster()
    with cluster.client() as client:
        client.set("k", b"v")
        cluster.clear()
        assert client.get("k") is shoal.MISSING


def test_clients_of_one_cluster_share_it() -> None:
    cluster = Cluster()
    with cluster.client() as one, cluster.client() as other:
        one.set("k", b"v")
        assert other.get("k") == b"v"

    async def read() -> Any:
        async with cluster.asyncio_client() as client:
            return await client.get("k")

    assert asyncio.run(read()) == b"v"


class Origin:
    def __init__(self) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(30)
        return "row"


def test_one_load_answers_every_process(eventually) -> None:
    """Each cache stands for a process: they share nothing but the cluster."""
    cluster = Cluster()
    caches = [cluster.client().cache() for _ in range(CACHES)]
    origin = Origin()
    with ThreadPoolExecutor(CACHES) as pool:
        first = pool.submit(caches[0].get_or_load, "k", origin, ttl=60)
        assert origin.entered.wait(10)
        others = [pool.submit(cache.get_or_load, "k", origin, ttl=60) for cache in caches[1:]]
        eventually(lambda: len(cluster._waiting.get(b"k", ())) == CACHES - 1, what="all to wait")
        origin.open.set()
        assert {call.result(30) for call in (first, *others)} == {"row"}
    assert origin.calls == 1


async def test_one_load_answers_every_event_loops_cache() -> None:
    cluster = Cluster()
    clients = [cluster.asyncio_client() for _ in range(CACHES)]
    calls = 0
    gate = asyncio.Event()

    async def loader() -> str:
        nonlocal calls
        calls += 1
        await gate.wait()
        return "row"

    tasks = [
        asyncio.create_task(client.cache().get_or_load("k", loader, ttl=60)) for client in clients
    ]
    while len(cluster._waiting.get(b"k", ())) < CACHES - 1:
        await asyncio.sleep(0)
    gate.set()
    assert set(await asyncio.gather(*tasks)) == {"row"}
    assert calls == 1


def test_a_lease_that_is_over_is_given_to_the_next(eventually) -> None:
    cluster = Cluster()
    slow, quick = cluster.client().cache(lease="5s"), cluster.client().cache(lease="5s")
    origin = Origin()
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(slow.get_or_load, "k", origin, ttl=60)
        assert origin.entered.wait(10)
        other = pool.submit(quick.get_or_load, "k", lambda: "newer", ttl=60)
        eventually(lambda: b"k" in cluster._waiting, what="the other to wait")
        cluster.advance("5s")
        assert other.result(30) == "newer"
        origin.open.set()
        # It came too late to be stored; who asked for it is answered all the same.
        assert late.result(30) == "row"
    assert slow.stats().overtaken == 1
    assert quick.get_or_load("k", origin, ttl=60) == "newer"


def test_a_delete_during_the_load_voids_its_token() -> None:
    cluster = Cluster()
    with cluster.client() as client, cluster.client() as other:
        cache = client.cache()
        origin = Origin()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(cache.get_or_load, "k", origin, ttl=60)
            assert origin.entered.wait(10)
            other.delete("k")
            origin.open.set()
            assert call.result(30) == "row"
        assert client.get("k") is shoal.MISSING
        assert cache.stats().overtaken == 1


async def test_a_refresh_that_a_load_began_may_ask_for_its_key() -> None:
    cluster = Cluster()
    cache = cluster.asyncio_client().cache(jitter=0)

    async def outer() -> str:
        return await cache.get_or_load("inner", inner, ttl=60, fresh=1)

    async def inner() -> str:
        return await cache.get_or_load("outer", outer, ttl=60)

    async def plain() -> str:
        return "row"

    await cache.get_or_load("inner", plain, ttl=60, fresh=1)
    cluster.advance("2s")
    assert await cache.get_or_load("outer", outer, ttl=60) == "row"
    await cache.close()
    assert cache.stats().failed_loads == 0


async def test_a_cancelled_load_gives_its_turn_back() -> None:
    cluster = Cluster()
    cancelled, other = cluster.asyncio_client().cache(), cluster.asyncio_client().cache()
    entered = asyncio.Event()

    async def never() -> None:
        entered.set()
        await asyncio.Event().wait()

    async def loader() -> str:
        return "row"

    first = asyncio.create_task(cancelled.get_or_load("k", never, ttl=60))
    await entered.wait()
    second = asyncio.create_task(other.get_or_load("k", loader, ttl=60))
    while b"k" not in cluster._waiting:
        await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "row"


def test_a_decorated_function_is_tested_without_a_server() -> None:
    cluster = Cluster()
    calls = []
    with cluster.client() as client, client.cache() as cache:

        @cache.cached(key="price:{id}", ttl="1m", fresh="10s")
        def price(id: int) -> int:  # noqa: A002
            calls.append(id)
            return 100

        assert [price(1), price(1)] == [100, 100]
        cluster.advance("30s")
        assert price(1) == 100  # stale: served, and refreshed behind it
    assert calls == [1, 1]


def test_an_expired_value_is_loaded_by_whoever_was_given_its_turn() -> None:
    """It is served if the load fails, so that its end is a refresh and no miss."""
    cluster = Cluster()
    cache = cluster.client().cache(lease="60s", max_join="60s")
    times: dict[str, Any] = {"ttl": "10s", "stale_if_error": "1h", "jitter": 0}
    assert cache.get_or_load("k", lambda: 1, **times) == 1
    cluster.advance("11s")
    begun = time.monotonic()
    assert cache.get_or_load("k", lambda: 2, **times) == 2
    # Waiting for oneself would take the lease.
    assert time.monotonic() - begun < 30
    assert cache.stats().loads == 2
