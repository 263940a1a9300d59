"""``get_or_load`` of both twins, against a cluster that serves no leases."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

import shoal
from shoal.codecs import Serializer

CALLERS = 12
MINUTE_MS = 60_000


class Origin:
    """A loader that counts its calls, and may be held or broken."""

    def __init__(self, value: Any = "row") -> None:
        self.value = value
        self.lock = threading.Lock()
        self.calls = self.inside = self.most = 0
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> Any:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.set()
        try:
            assert self.open.wait(30)
            if isinstance(self.value, Exception):
                raise self.value
            return self.value
        finally:
            with self.lock:
                self.inside -= 1


@pytest.fixture
def cache(client) -> Any:
    made = client.cache(random=Random(1))
    yield made
    made.close()


@pytest.fixture
def origin() -> Origin:
    return Origin()


def stored(cluster, key: bytes = b"k") -> Any:
    return Serializer().decode(cluster.entries[key][0], key)


def put(cluster, value: Any, remaining_ms: int, key: bytes = b"k") -> None:
    cluster.seq += 1
    cluster.entries[key] = (Serializer().encode(value, key), remaining_ms, cluster.seq)


def test_a_miss_is_loaded_once_and_stored(cache, cluster, origin) -> None:
    origin.value = {"id": 42, "price": (19, 90)}
    for _ in range(3):
        assert cache.get_or_load("k", origin, ttl="1m") == origin.value
    assert origin.calls == 1
    assert stored(cluster) == origin.value
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.loads) == (2, 1, 1)


def test_none_is_a_value(cache, origin) -> None:
    origin.value = None
    assert cache.get_or_load("k", origin, ttl="1m") is None
    assert cache.get_or_load("k", origin, ttl="1m") is None
    assert origin.calls == 1


def test_times_to_live_are_spread(cache, cluster, origin) -> None:
    for number in range(200):
        cache.get_or_load(f"k{number}", origin, ttl=60, stale_if_error=600)
    ttls = [ttl_ms for _, ttl_ms, _ in cluster.entries.values()]
    assert all(654_000 <= ttl_ms <= 666_000 for ttl_ms in ttls)
    assert max(ttls) - min(ttls) > 10_000
    cache.get_or_load("exact", origin, ttl=60, jitter=0)
    assert cluster.entries[b"exact"][1] == MINUTE_MS


def test_known_absent_is_stored_as_such(cache, cluster, client, origin) -> None:
    origin.value = shoal.ABSENT
    for _ in range(2):
        assert cache.get_or_load("k", origin, ttl=60) is shoal.ABSENT
    assert origin.calls == 2
    assert cluster.entries == {}
    for _ in range(2):
        assert cache.get_or_load("k", origin, ttl=60, absent_ttl=5) is shoal.ABSENT
    assert origin.calls == 3
    assert client.get("k") is shoal.ABSENT
    assert 4_500 <= cluster.entries[b"k"][1] <= 5_500
    assert cache.stats().absent == 1


def test_stale_is_served_and_refreshed_behind_it(cache, cluster, origin, eventually) -> None:
    put(cluster, "old", 30_000)
    origin.value = "new"
    assert cache.get_or_load("k", origin, ttl=60, fresh=20) == "old"
    eventually(lambda: stored(cluster) == "new", what="the refresh")
    assert cache.get_or_load("k", origin, ttl=60, fresh=20) == "new"
    assert origin.calls == 1


def test_a_refresh_that_fails_changes_nothing(cache, cluster, origin, eventually) -> None:
    put(cluster, "old", 30_000)
    origin.value = OSError("origin is down")
    assert cache.get_or_load("k", origin, ttl=60, fresh=20) == "old"
    eventually(lambda: cache.stats().failed_loads == 1, what="the refresh")
    assert stored(cluster) == "old"


def test_stale_callers_share_one_refresh(cache, cluster, origin, eventually) -> None:
    put(cluster, "old", 30_000)
    origin.open.clear()
    for _ in range(20):
        assert cache.get_or_load("k", origin, ttl=60, fresh=20) == "old"
    origin.open.set()
    eventually(lambda: stored(cluster) == "row", what="the refresh")
    assert origin.calls == 1


def test_past_its_ttl_a_value_is_served_only_if_the_load_fails(cache, cluster, origin) -> None:
    put(cluster, "old", 90_000)
    origin.value = OSError("origin is down")
    assert cache.get_or_load("k", origin, ttl=60, stale_if_error=100) == "old"
    assert cache.stats().expired == 1
    origin.value = "new"
    assert cache.get_or_load("k", origin, ttl=60, stale_if_error=100) == "new"
    assert stored(cluster) == "new"


def test_the_loaders_exception_reaches_every_caller(cache, origin, eventually) -> None:
    error = OSError("origin is down")
    origin.value = error
    origin.open.clear()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(cache.get_or_load, "k", origin, ttl=60) for _ in range(CALLERS)]
        eventually(lambda: cache.stats().misses == CALLERS, what="all to miss")
        origin.open.set()
        raised = [call.exception(30) for call in calls]
    assert all(one is error for one in raised)
    origin.value = "row"
    assert cache.get_or_load("k", origin, ttl=60) == "row"


def test_a_herd_of_one_process_loads_once(cache, origin, eventually) -> None:
    origin.open.clear()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(cache.get_or_load, "k", origin, ttl=60) for _ in range(CALLERS)]
        eventually(lambda: cache.stats().misses == CALLERS, what="all to miss")
        origin.open.set()
        assert {call.result(30) for call in calls} == {"row"}
    assert origin.calls == 1


def test_what_changed_during_the_load_is_not_overwritten(cache, client, cluster, origin) -> None:
    origin.open.clear()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(cache.get_or_load, "k", origin, ttl=60)
        assert origin.entered.wait(10)
        newer = Serializer().encode("newer", b"k")
        client.set("k", newer)
        origin.open.set()
        assert call.result(30) == "row"
    assert client.get("k") == newer
    assert cache.stats().overtaken == 1


def test_after_a_delete_nobody_joins_the_load_before_it(cache, origin) -> None:
    origin.open.clear()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(cache.get_or_load, "k", origin, ttl=60)
        assert origin.entered.wait(10)
        cache.delete("k")
        # The guard lets one load of a key through at a time; the second waits for the first.
        later = ThreadPoolExecutor(1).submit(cache.get_or_load, "k", lambda: "new", ttl=60)
        origin.value = "old"
        origin.open.set()
        assert call.result(30) == "old"
        assert later.result(30) in ("new", "old")
    assert cache.stats().joined == 0


def test_what_another_program_stored_is_loaded_over(cache, client, cluster, origin) -> None:
    client.set("k", b"no frame of ours")
    assert cache.get_or_load("k", origin, ttl=60) == "row"
    assert stored(cluster) == "row"
    assert cache.stats().unreadable >= 1


def test_what_is_too_large_is_returned_and_not_stored(client, cluster, origin) -> None:
    cache = client.cache(serializer=Serializer(compress_above=None))
    origin.value = "x" * (1024 * 1024 + 1)
    assert cache.get_or_load("k", origin, ttl=60) == origin.value
    assert cluster.entries == {}
    assert cache.stats().unstored == 1


@pytest.mark.parametrize("value", [object(), shoal.MISSING])
def test_what_cannot_be_stored_is_said(cache, origin, value) -> None:
    origin.value = value
    with pytest.raises(shoal.InvalidRequest):
        cache.get_or_load("k", origin, ttl=60)


def test_tags_that_are_not_served_are_never_left_out(cache, cluster, origin) -> None:
    with pytest.raises(shoal.NotServed):
        cache.get_or_load("k", origin, ttl=60, tags=["products"])
    assert cluster.entries == {}


def test_leases_that_are_not_served_are_asked_for_once(cache, cluster, origin) -> None:
    for number in range(5):
        cache.get_or_load(f"k{number}", origin, ttl=60)
    asked = [request for node in cluster.nodes.values() for request in node.requests("Get")]
    assert sum(request.HasField("fill") for request in asked) == 1


def test_a_cache_that_is_down_costs_time_and_spares_the_origin(
    connect, cluster, eventually
) -> None:
    client = connect(cluster.url, timeout="300ms", max_attempts=1)
    guard = shoal.OriginGuard(max_loads=3, max_queued=CALLERS, max_wait="30s")
    cache = client.cache(guard=guard)
    cluster.stop()
    origin = Origin()
    origin.open.clear()
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [
            pool.submit(cache.get_or_load, f"k{number}", origin, ttl=60)
            for number in range(CALLERS)
        ]
        eventually(lambda: cache.stats().loads == CALLERS, what="all to load", within_seconds=30)
        origin.open.set()
        assert {call.result(30) for call in calls} == {"row"}
    assert origin.most == 3
    assert cache.stats().bypassed == CALLERS
    with pytest.raises(shoal.ShoalError):
        cache.get_or_load("k", origin, ttl=60, on_error="raise")
    assert origin.calls == CALLERS


def test_what_was_loaded_past_a_failed_read_is_not_stored(connect, cluster, origin) -> None:
    client = connect(cluster.url, timeout="2s", max_attempts=1)
    cache = client.cache()
    client.topology()
    for node in cluster.nodes.values():
        node.cut_next("Get")
    assert cache.get_or_load("k", origin, ttl=60) == "row"
    assert cluster.entries == {}
    assert cache.get_or_load("k", origin, ttl=60) == "row"
    assert stored(cluster) == "row"


def test_a_cache_keeps_its_client(cluster, origin) -> None:
    cache = shoal.Client.from_url(cluster.url, timeout="10s").cache()
    gc.collect()
    assert cache.get_or_load("k", origin, ttl=60) == "row"


def test_refresh_loads_whatever_is_there(cache, cluster, origin) -> None:
    put(cluster, "old", MINUTE_MS)
    origin.value = "new"
    assert cache.refresh("k", origin, ttl=60) == "new"
    assert stored(cluster) == "new"


def test_a_loader_that_asks_for_its_own_key_is_told(cluster) -> None:
    client = shoal.Client.from_url(cluster.url, timeout="10s")
    cache = client.cache()

    def loader() -> Any:
        return cache.get_or_load("k", loader, ttl=60)

    with pytest.raises(shoal.ClientMisuse, match="wait for itself"):
        cache.get_or_load("k", loader, ttl=60)
    client.close()


@pytest.mark.parametrize(
    "recipe",
    [
        {"ttl": 0},
        {"ttl": 60, "fresh": 61},
        {"ttl": 60, "jitter": 1},
        {"ttl": 60, "tags": "products"},
        {"ttl": 60, "tags": [""]},
        {"ttl": 60, "on_error": "ignore"},
    ],
)
def test_what_cannot_be_meant_is_refused(cache, origin, recipe) -> None:
    with pytest.raises(shoal.InvalidRequest):
        cache.get_or_load("k", origin, **recipe)
    assert origin.calls == 0


@pytest.mark.parametrize(
    "settings", [{"lease": "1h"}, {"jitter": 1}, {"on_error": "x"}, {"max_waiting": 0}]
)
def test_settings_that_cannot_work_are_refused(client, settings) -> None:
    with pytest.raises(shoal.ConfigurationError):
        client.cache(**settings)


def test_a_closed_cache_says_so(cache, origin) -> None:
    cache.close()
    cache.close()
    with pytest.raises(shoal.ClientClosed):
        cache.get_or_load("k", origin, ttl=60)
