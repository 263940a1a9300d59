"""What both clients do, against a real cluster and against the one of ``shoal.testing``.

One suite, so that an application's tests in memory say something about the real thing.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest

import shoal
import shoal.asyncio
from blocking_face import BlockingFace, LoopThread
from shoal.codecs import Serializer
from shoal.testing import Cluster

TIMEOUT = "10s"


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(
    params=[
        "memory",
        "memory, asyncio",
        pytest.param("real", marks=pytest.mark.cluster),
        pytest.param("real, asyncio", marks=pytest.mark.cluster),
    ]
)
def connect(request: pytest.FixtureRequest, loop: LoopThread) -> Iterator[Callable[..., Any]]:
    """Makes clients of one kind and one cluster; closes them at the end."""
    kind, _, twin = request.param.partition(", ")
    memory = Cluster()
    memory.grant_near("1s")
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        if kind == "memory":
            connecting: Any = memory.asyncio_client if twin else memory.client
            one = connecting(timeout=TIMEOUT, **settings)
        else:
            seeds = request.getfixturevalue("cluster").addresses
            one = (shoal.asyncio if twin else shoal).Client(seeds, timeout=TIMEOUT, **settings)
        made.append(BlockingFace(one, loop) if twin else one)
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def client(connect: Callable[[], Any]) -> Any:
    return connect()


@pytest.fixture
def key() -> str:
    return f"conformance:{uuid.uuid4()}"


def test_set_get_delete(client, key) -> None:
    assert client.get(key) is shoal.MISSING
    stored = client.set(key, "ü", ttl="10m")
    assert stored.applied
    assert stored.version.epoch >= 1
    assert client.get(key) == "ü".encode()
    assert client.delete(key, key, key + ":never") == 1
    assert client.get(key) is shoal.MISSING


def test_an_entry_tells_version_and_ttl(client, key) -> None:
    stored = client.set(key, b"v", ttl=90)
    entry = client.get_entry(key)
    assert (entry.value, entry.version, entry.maybe_stale) == (b"v", stored.version, False)
    assert timedelta(seconds=80) < entry.ttl <= timedelta(seconds=90)
    later = client.set(key, b"w")
    assert later.version > stored.version
    assert client.get_entry(key).ttl is None


def test_a_ttl_runs_out(client, key, eventually) -> None:
    client.set(key, b"v", ttl="200ms")
    eventually(lambda: client.get(key) is shoal.MISSING, what="the key to expire")
    assert client.set(key, b"v", if_absent=True)


def test_conditions(client, key) -> None:
    assert not client.set(key, b"1", if_present=True)
    first = client.set(key, b"1", if_absent=True)
    refused = client.set(key, b"2", if_absent=True)
    assert (refused.applied, refused.version) == (False, first.version)
    assert client.set(key, b"2", if_version=first.version)
    assert not client.set(key, b"3", if_version=first.version)
    assert client.set(key, b"3", if_present=True)
    assert client.get(key) == b"3"


def test_incr_and_touch(client, key) -> None:
    assert client.incr(key) == 1
    assert client.incr(key, 9) == 10
    assert client.incr(key, -20, ttl=5) == -10
    assert client.get_entry(key).ttl is None
    other = key + ":other"
    assert client.incr(other, 5, initial=100, ttl="1m") == 105
    assert timedelta(seconds=50) < client.get_entry(other).ttl <= timedelta(minutes=1)
    assert client.touch(other, "2m") is True
    assert client.get_entry(other).ttl > timedelta(minutes=1)
    assert client.touch(other, None) is True
    assert client.get_entry(other).ttl is None
    assert client.touch(key + ":never", 5) is False


@pytest.mark.parametrize(
    ("value", "delta", "reason"),
    [
        ("text", 1, "NOT_AN_INTEGER"),
        ("007", 1, "NOT_AN_INTEGER"),
        ("+7", 1, "NOT_AN_INTEGER"),
        ("-0", 1, "NOT_AN_INTEGER"),
        (str(2**63), 1, "NOT_AN_INTEGER"),
        (str(2**63 - 1), 1, "OVERFLOW"),
        (str(-(2**63)), -1, "OVERFLOW"),
    ],
)
def test_incr_refuses_what_it_cannot_add(client, key, value, delta, reason) -> None:
    client.set(key, value)
    with pytest.raises(shoal.InvalidRequest) as caught:
        client.incr(key, delta)
    assert caught.value.reason == reason
    assert caught.value.outcome is shoal.Outcome.NOT_APPLIED
    assert client.get(key) == value.encode()


def test_many_keys(client, key) -> None:
    keys = [f"{key}:{number}" for number in range(100)]
    stored = client.set_many({one: one.upper() for one in keys[::2]}, ttl=60)
    assert all(stored.values())
    got = client.get_many(reversed(keys))
    assert list(got) == keys[::-1]
    for number, one in enumerate(keys):
        assert got[one] == (one.upper().encode() if number % 2 == 0 else shoal.MISSING)
    assert client.delete(*keys) == 50


@pytest.mark.parametrize(
    ("one", "value", "settings", "reason"),
    [
        ("", b"v", {}, "KEY_EMPTY"),
        ("k" * 1025, b"v", {}, "KEY_TOO_LONG"),
        ("k", b"v" * (1024 * 1024 + 1), {}, "VALUE_TOO_LARGE"),
        ("k", b"v", {"ttl": -1}, "TTL_NEGATIVE"),
        ("k", b"v", {"if_absent": True, "if_present": True}, "BAD_CONDITION"),
    ],
)
def test_bad_input_is_refused(client, one, value, settings, reason) -> None:
    with pytest.raises(shoal.InvalidRequest) as caught:
        client.set(one, value, **settings)
    assert caught.value.reason == reason


def test_one_value_that_is_too_large_among_many(client, key) -> None:
    with pytest.raises(shoal.InvalidRequest) as caught:
        client.set_many({key: b"1", key + ":large": bytes(1024 * 1024 + 1)})
    assert caught.value.reason == "VALUE_TOO_LARGE"
    assert caught.value.outcome is shoal.Outcome.MAYBE_APPLIED


def test_a_session_reads_what_it_wrote(client, key) -> None:
    session = client.session()
    assert session.get(key) is shoal.MISSING
    session.set(key, b"v")
    assert session.get(key) == b"v"
    session.delete(key)
    assert session.get_many([key]) == {key: shoal.MISSING}
    assert session.incr(key) == 1


def test_any_copy_and_at_least(client, key) -> None:
    stored = client.set(key, b"v", ack="in_sync")
    assert client.get(key, at_least=stored.version) == b"v"
    assert client.get_many([key], at_least={key: stored.version}) == {key: b"v"}


def test_known_absent_is_not_missing(client, key) -> None:
    cache = client.cache()
    assert cache.get_or_load(key, lambda: shoal.ABSENT, ttl=60, absent_ttl=60) is shoal.ABSENT
    assert client.get(key) is shoal.ABSENT
    assert client.get_entry(key) is shoal.ABSENT
    assert client.get_many([key]) == {key: shoal.ABSENT}
    # An absent entry has no value: conditions and incr see none, its version stands.
    refused = client.set(key, b"v", if_present=True)
    assert not refused
    assert client.set(key, b"v", if_version=refused.version)
    assert (
        cache.get_or_load(key + ":n", lambda: shoal.ABSENT, ttl=60, absent_ttl=60) is shoal.ABSENT
    )
    assert client.incr(key + ":n", initial=4) == 5
    cache.close()


def test_absent_entries_count_as_absent_for_if_absent(client, key) -> None:
    cache = client.cache()
    cache.get_or_load(key, lambda: shoal.ABSENT, ttl=60, absent_ttl=60)
    assert client.touch(key, 50) is True
    assert client.set(key, b"v", if_absent=True)
    cache.close()


def test_what_is_missing_is_loaded_once(client, key) -> None:
    cache = client.cache()
    loaded = []

    def loader() -> dict[str, int]:
        loaded.append(key)
        return {"price": 100}

    assert [cache.get_or_load(key, loader, ttl=60) for _ in range(3)] == [{"price": 100}] * 3
    assert len(loaded) == 1
    cache.delete(key)
    assert cache.refresh(key, loader, ttl=60) == {"price": 100}
    assert cache.get_or_load(key, loader, ttl=60) == {"price": 100}
    assert len(loaded) == 2
    cache.close()


class Origin:
    """A loader that counts its calls and is held until it is opened."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.open = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> str:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(30)
        if self.error is not None:
            raise self.error
        return "row"


def test_of_many_processes_one_loads(connect, key, eventually) -> None:
    """Each client stands for a process: they share nothing but the cluster."""
    caches = [connect().cache() for _ in range(5)]
    origin = Origin()
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(cache.get_or_load, key, origin, ttl=60) for cache in caches]
        assert origin.entered.wait(10)
        eventually(lambda: all(c.stats().misses for c in caches), what="all to miss")
        origin.open.set()
        assert {call.result(30) for call in calls} == {"row"}
    assert origin.calls == 1


def test_where_a_load_fails_the_next_in_line_loads_at_once(connect, key) -> None:
    one, other = connect().cache(lease="60s"), connect().cache(lease="60s")
    origin = Origin()
    origin.error = OSError("origin is down")
    with ThreadPoolExecutor(2) as pool:
        fails = pool.submit(one.get_or_load, key, origin, ttl=60)
        assert origin.entered.wait(10)
        waits = pool.submit(other.get_or_load, key, lambda: "row", ttl=60)
        origin.open.set()
        assert isinstance(fails.exception(30), OSError)
        assert waits.result(30) == "row"


@pytest.mark.parametrize("outcome", [shoal.ABSENT, object(), "x" * (1024 * 1024 + 1)])
def test_a_turn_that_stored_nothing_is_given_back(connect, key, outcome) -> None:
    one, other = connect().cache(lease="60s"), connect().cache(lease="60s")
    if isinstance(outcome, str):
        one = connect().cache(lease="60s", serializer=Serializer(compress_above=None))
    with suppress(shoal.InvalidRequest):
        one.get_or_load(key, lambda: outcome, ttl=60)
    # It would have to wait for the lease's end, a minute, otherwise.
    assert other.get_or_load(key, lambda: "row", ttl=60) == "row"


def test_a_delete_during_the_load_keeps_its_value_out(connect, key) -> None:
    client = connect()
    cache = client.cache()
    origin = Origin()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(cache.get_or_load, key, origin, ttl=60)
        assert origin.entered.wait(10)
        connect().delete(key)
        origin.open.set()
        assert call.result(30) == "row"
    assert client.get(key) is shoal.MISSING
    assert cache.stats().overtaken == 1


def test_a_value_is_fresh_for_a_while_and_then_stale(client, key, eventually) -> None:
    client.set(key, b"v", ttl="10m", fresh="5m")
    entry = client.get_entry(key)
    assert not entry.is_stale
    assert timedelta(minutes=4) < entry.fresh <= timedelta(minutes=5)
    client.set_many({key: b"v"}, ttl="10m", fresh="1ms")
    eventually(lambda: client.get_entry(key).is_stale, what="it to be stale")
    assert client.get_entry(key).fresh is None
    assert client.get(key) == b"v"
    with pytest.raises(shoal.InvalidRequest):
        client.set(key, b"v", ttl="1s", fresh="2s")


def make_stale(client: Any, key: str, eventually: Callable[..., None], **recipe: Any) -> None:
    cache = client.cache()
    assert cache.get_or_load(key, lambda: "old", ttl="10m", fresh="1ms", jitter=0, **recipe)
    eventually(lambda: client.get_entry(key).is_stale, what="it to be stale")


def test_of_many_who_find_it_stale_one_refreshes_and_nobody_waits(connect, key, eventually) -> None:
    make_stale(connect(), key, eventually)
    caches = [connect().cache(lease="60s") for _ in range(5)]
    origin = Origin()
    for cache in caches * 2:
        assert cache.get_or_load(key, origin, ttl="10m", fresh="5m") == "old"
    assert origin.entered.wait(10)
    assert sum(cache.stats().stale for cache in caches) == 10
    origin.open.set()
    for cache in caches:
        eventually(
            lambda cache=cache: cache.get_or_load(key, origin, ttl="10m", fresh="5m") == "row",
            what="the new value",
        )
    assert origin.calls == 1


def test_where_the_origin_fails_what_is_stale_is_served_and_the_origin_left_alone(
    connect, key, eventually
) -> None:
    make_stale(connect(), key, eventually)
    caches = [connect().cache(lease="60s") for _ in range(3)]
    origin = Origin()
    origin.error = OSError("origin is down")
    origin.open.set()
    assert caches[0].get_or_load(key, origin, ttl="10m", fresh="5m") == "old"
    eventually(lambda: caches[0].stats().failed_loads, what="the refresh to fail")
    began = monotonic()
    for cache in caches * 5:
        assert cache.get_or_load(key, origin, ttl="10m", fresh="5m") == "old"
    assert origin.calls <= 2 + (monotonic() - began)
    origin.error = None
    eventually(
        lambda: caches[0].get_or_load(key, origin, ttl="10m", fresh="5m") == "row",
        what="the origin to be asked again",
    )


def test_a_tag_makes_all_that_carry_it_invisible(client, key) -> None:
    tag, other = f"{key}:tag", f"{key}:other"
    keys = [f"{key}:{number}" for number in range(20)]
    client.set_many(dict.fromkeys(keys[:10], b"v"), tags=[tag, other])
    for one in keys[10:]:
        client.set(one, b"v", tags=[tag])
    client.set(key, b"v", tags=[other])
    client.invalidate_tag(tag)
    assert set(client.get_many(keys).values()) == {shoal.MISSING}
    assert client.get(keys[0], read="any") is shoal.MISSING
    assert client.get(key) == b"v"
    assert client.delete(keys[0]) == 0
    client.set(keys[0], b"w", tags=[tag])
    assert client.get(keys[0]) == b"w"
    client.invalidate_tag(other, ack="primary")
    assert client.get(key) is shoal.MISSING
    assert client.get(keys[0]) == b"w"


@pytest.mark.parametrize("tags", ["tag", [""], ["x" * 129], [str(n) for n in range(17)], [7]])
def test_what_is_no_tag_is_refused(client, key, tags) -> None:
    with pytest.raises(shoal.InvalidRequest):
        client.set(key, b"v", tags=tags)


def test_a_cached_value_is_invalidated_by_its_tag(client, key) -> None:
    cache = client.cache()
    loaded = []

    def loader() -> int:
        loaded.append(key)
        return len(loaded)

    tags = [f"{key}:tag"]
    assert [cache.get_or_load(key, loader, ttl=60, tags=tags) for _ in range(2)] == [1, 1]
    cache.invalidate_tag(tags[0])
    assert cache.get_or_load(key, loader, ttl=60, tags=tags) == 2
    cache.close()


def test_a_sharded_counter_counts_what_many_add(connect, key) -> None:
    client = connect()
    counters = [connect().sharded_counter(key, shards=8) for _ in range(3)]
    assert counters[0].value() == 0
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            for done in [pool.submit(counter.add, 3, ttl="1h") for counter in counters]:
                done.result(30)
    assert [counter.value() for counter in counters] == [180] * 3
    counters[0].add(-30)
    assert client.sharded_counter(key, shards=8).value() == 150
    parts = client.get_many([f"{key}#{number}" for number in range(8)])
    assert sum(value is not shoal.MISSING for value in parts.values()) >= 4
    assert counters[1].delete()
    assert not counters[2].delete()
    assert counters[2].value() == 0


def test_an_invalidation_during_the_load_keeps_its_value_out(connect, key) -> None:
    client = connect()
    cache = client.cache()
    origin = Origin()
    tags = [f"{key}:tag"]
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(cache.get_or_load, key, origin, ttl=60, tags=tags)
        assert origin.entered.wait(10)
        connect().invalidate_tag(tags[0])
        origin.open.set()
        assert call.result(30) == "row"
    assert client.get(key) is shoal.MISSING
    assert cache.stats().overtaken == 1
    # Its turn was given back with that.
    assert connect().cache().get_or_load(key, lambda: "new", ttl=60, tags=tags) == "new"


def test_a_near_cache_hears_of_what_others_write(connect, key, eventually) -> None:
    client, other = connect(near=shoal.NearCache()), connect()
    other.set(key, b"old")

    def is_held() -> bool:
        hits = client.near_stats().hits
        # Hot enough to be granted, on a real cluster.
        for _ in range(20):
            assert other.get(key) == b"old"
        assert client.get(key) == b"old"
        return client.near_stats().hits > hits

    eventually(is_held, what="it to be held")
    other.set(key, b"new")
    eventually(lambda: client.get(key) == b"new", what="the write to be heard of")


def test_the_topology_is_known(client, key) -> None:
    topology = client.topology()
    assert topology.partition_of(key).primary in topology.nodes


def test_a_closed_client_says_so(client, key) -> None:
    client.set(key, b"v")
    client.close()
    client.close()
    with pytest.raises(shoal.ClientClosed):
        client.get(key)
