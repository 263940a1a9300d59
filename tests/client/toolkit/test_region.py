"""Regions of both twins."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from google.rpc import code_pb2

import shoal
from fake_refusal import status
from shoal.codecs import Serializer

WORDS = {"ttl": "10m", "max_delay": "20ms"}


class Rows:
    """A table; its functions can be held or broken."""

    def __init__(self) -> None:
        self.rows: dict[int, Any] = {1: "one"}
        self.lock = threading.Lock()
        self.reads: list[int] = []
        self.writes: list[tuple[int, Any]] = []
        self.error: Exception | None = None
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def load(self, id: int) -> Any:  # noqa: A002
        with self.lock:
            self.reads.append(id)
            return self.rows.get(id, shoal.ABSENT)

    def store(self, id: int, value: Any) -> None:  # noqa: A002
        self.entered.set()
        assert self.open.wait(30)
        with self.lock:
            if self.error is not None:
                raise self.error
            self.writes.append((id, value))
            self.rows[id] = value

    def remove(self, id: int) -> None:  # noqa: A002
        with self.lock:
            self.writes.append((id, shoal.ABSENT))
            self.rows.pop(id, None)


class Face:
    """An asyncio region, run to its end."""

    def __init__(self, region: Any, loop: Any) -> None:
        self.region, self.loop = region, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.region, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args: self.loop.run(found(*args))


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def make(client, rows) -> Any:
    caches = []

    def region(**settings: Any) -> Any:
        cache = client.cache()
        caches.append(cache)
        if isinstance(client, shoal.Client):
            return cache.region(
                "row", load=rows.load, store=rows.store, remove=rows.remove, **(WORDS | settings)
            )
        functions = {
            name: partial(asyncio.to_thread, getattr(rows, name))
            for name in ("load", "store", "remove")
        }
        return Face(cache.client.region("row", **functions, **(WORDS | settings)), cache._loop)

    yield region
    rows.error = None
    rows.open.set()
    for cache in caches:
        cache.close()


def cached(cluster, id: int = 1) -> Any:  # noqa: A002
    key = b"row:%d" % id
    found = cluster.entries.get(key)
    return shoal.MISSING if found is None else Serializer().decode(found[0], key)


@pytest.mark.parametrize("write", ["through", "behind"])
def test_a_region_reads_through(make, rows, write) -> None:
    region = make(write=write, absent_ttl=5)
    assert [region.get(1), region.get(1), region.get(2), region.get(2)] == [
        "one",
        "one",
        shoal.ABSENT,
        shoal.ABSENT,
    ]
    assert rows.reads == [1, 2]


def test_through_writes_the_origin_before_it_returns(make, rows, cluster) -> None:
    region = make()
    region.get(1)
    region.put(1, "uno")
    assert rows.rows[1] == "uno"
    assert cached(cluster) == "uno"
    assert region.get(1) == "uno"
    region.remove(1)
    assert rows.rows == {}
    assert region.get(1) is shoal.ABSENT


def test_through_an_origin_that_fails_changes_nothing(make, rows, cluster) -> None:
    region = make()
    region.get(1)
    rows.error = OSError("origin is down")
    with pytest.raises(OSError, match="origin is down"):
        region.put(1, "uno")
    assert cached(cluster) == "one"


def test_two_writers_never_leave_what_the_origin_had_first(make, rows, cluster) -> None:
    region, other = make(), make()
    region.get(1)
    rows.open.clear()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(region.put, 1, "first")
        assert rows.entered.wait(10)
        # The other writes both while the first has looked at the cache and not stored yet.
        rows.rows[1] = "second"
        cluster.seq += 1
        cluster.entries[b"row:1"] = (Serializer().encode("second", b"row:1"), 0, cluster.seq)
        rows.open.set()
        late.result(30)
    assert cached(cluster) is shoal.MISSING
    assert other.get(1) == rows.rows[1]


def test_through_a_cache_that_fails_is_told_after_the_origin_has_it(connect, cluster, rows) -> None:
    client = shoal.Client.from_url(cluster.url, timeout="300ms", max_attempts=1)
    with client, client.cache() as cache:
        region = cache.region("row", load=rows.load, store=rows.store, **WORDS)
        region.get(1)
        cluster.stop()
        with pytest.raises(shoal.ShoalError) as caught:
            region.put(1, "uno")
    assert rows.rows[1] == "uno"
    assert "the origin has the new value" in caught.value.__notes__[-1]


def test_behind_writes_the_cache_at_once_and_the_origin_soon(make, rows, cluster) -> None:
    region = make(write="behind", max_delay="10m")
    region.put(1, "uno")
    region.put(2, "due")
    region.put(1, "eins")
    assert cached(cluster) == "eins"
    assert rows.writes == []
    assert region.queued == 2
    region.flush("30s")
    assert sorted(rows.writes) == [(1, "eins"), (2, "due")]
    assert region.queued == 0
    assert cached(cluster) == "eins"


def test_behind_writes_by_itself(make, rows, eventually) -> None:
    region = make(write="behind")
    region.put(1, "uno")
    eventually(lambda: rows.rows[1] == "uno" and not region.queued, what="the write")


def test_behind_reads_what_is_not_written_yet(make, rows, client) -> None:
    region = make(write="behind", max_delay="10m")
    region.put(1, "uno")
    client.delete("row:1")
    assert region.get(1) == "uno"
    assert rows.reads == []
    region.remove(1)
    assert region.get(1) is shoal.ABSENT


def test_behind_an_origin_that_fails_is_asked_again(make, rows, eventually) -> None:
    region = make(write="behind")
    rows.error = OSError("origin is down")
    region.put(1, "uno")
    eventually(lambda: region.last_error is rows.error, what="the first failure")
    assert region.queued == 1
    rows.error = None
    eventually(lambda: rows.rows[1] == "uno" and not region.queued, what="the write")
    assert region.last_error is None


def test_behind_the_queue_has_a_bound(make, rows, cluster) -> None:
    region = make(write="behind", max_delay="10m", max_queued=2)
    region.put(1, "a")
    region.put(2, "b")
    with pytest.raises(shoal.ResourceExhausted) as caught:
        region.put(3, "c")
    assert caught.value.reason == "WRITE_QUEUE_FULL"
    assert cached(cluster, 3) is shoal.MISSING
    region.put(2, "bb")


def test_closing_flushes(make, rows) -> None:
    region = make(write="behind", max_delay="10m")
    region.put(1, "uno")
    region.close()
    region.close()
    assert rows.rows[1] == "uno"
    with pytest.raises(shoal.ClientClosed):
        region.put(1, "eins")


def test_what_could_not_be_flushed_is_told(make, rows) -> None:
    region = make(write="behind", max_delay="10m")
    rows.error = OSError("origin is down")
    region.put(1, "uno")
    with pytest.raises(shoal.DeadlineExceeded) as caught:
        region.flush("150ms")
    assert caught.value.reason == "NOT_FLUSHED"
    assert "origin is down" in str(caught.value)


def test_closing_a_cache_flushes_every_region_that_it_can(cluster, rows) -> None:
    broken = Rows()
    broken.error = OSError("origin is down")
    with shoal.Client.from_url(cluster.url, timeout="10s") as client:
        cache = client.cache()
        behind = {"write": "behind", "ttl": "10m", "max_delay": "10m"}
        first = cache.region("broken", load=broken.load, store=broken.store, **behind)
        second = cache.region("row", load=rows.load, store=rows.store, **behind)
        first.put(1, "uno")
        second.put(1, "uno")
        with pytest.raises(shoal.DeadlineExceeded, match="broken"):
            cache.close("200ms")
        cache.close()
    assert rows.rows[1] == "uno"


def test_behind_corrects_what_was_loaded_from_the_old_row(make, rows, cluster) -> None:
    region = make(write="behind", max_delay="10m")
    region.put(1, "uno")
    # The entry is evicted, and another process loads the row that is not written yet.
    cluster.seq += 1
    cluster.entries[b"row:1"] = (Serializer().encode("one", b"row:1"), 0, cluster.seq)
    region.flush("30s")
    assert cached(cluster) is shoal.MISSING
    assert region.get(1) == "uno"


def test_a_region_without_a_function_says_so(cluster) -> None:
    with shoal.Client.from_url(cluster.url) as client:
        region = client.cache().region("row", load=str, ttl=60)
        with pytest.raises(shoal.ClientMisuse, match="store="):
            region.put(1, "x")
        with pytest.raises(shoal.ClientMisuse, match="remove="):
            region.remove(1)


@pytest.mark.parametrize(
    "settings", [{"name": "a:b"}, {"name": ""}, {"write": "around"}, {"max_queued": 0}]
)
def test_settings_that_cannot_work_are_refused(settings) -> None:
    with shoal.Client(["127.0.0.1:1"]) as client, pytest.raises(shoal.ConfigurationError):
        client.cache().region(**({"name": "row", "load": str, "ttl": 60} | settings))


# A cache that refuses its caller is no cache that fails.

REFUSALS = [
    (code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED", shoal.Unauthenticated),
    (code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED", shoal.PermissionDenied),
]


@pytest.fixture
def refuses(cluster):
    def refuse(method: str, code: int, reason: str) -> None:
        for node in cluster.nodes.values():
            node.fail_next(method, status(code, reason))

    return refuse


@pytest.mark.parametrize(("code", "reason", "error"), REFUSALS)
def test_who_may_not_read_writes_nothing_through(make, rows, refuses, code, reason, error) -> None:
    region = make(on_error="miss")
    refuses("Get", code, reason)
    with pytest.raises(error):
        region.put(1, "uno")
    assert rows.rows == {1: "one"}


@pytest.mark.parametrize(("code", "reason", "error"), REFUSALS)
def test_who_may_not_write_is_told_that_the_origin_has_it(
    make, rows, refuses, code, reason, error
) -> None:
    region = make(on_error="miss")
    refuses("Set", code, reason)
    with pytest.raises(error) as caught:
        region.put(1, "uno")
    assert rows.rows == {1: "uno"}
    assert "the origin has the new value" in caught.value.__notes__[-1]


@pytest.mark.parametrize(("code", "reason", "error"), REFUSALS)
def test_who_may_not_write_behind_is_told_that_it_is_queued(
    make, rows, refuses, code, reason, error
) -> None:
    region = make(write="behind", on_error="miss")
    refuses("Set", code, reason)
    with pytest.raises(error) as caught:
        region.put(1, "uno")
    assert "the origin gets it all the same" in caught.value.__notes__[-1]
    region.flush()
    assert rows.rows == {1: "uno"}


@pytest.mark.parametrize(("write", "method"), [("through", "Get"), ("behind", "Set")])
def test_a_cache_that_fails_keeps_nobody_from_writing(make, rows, refuses, write, method) -> None:
    region = make(write=write, on_error="miss")
    refuses(method, code_pb2.INTERNAL, "INTERNAL")
    region.put(1, "uno")
    region.close()
    assert rows.rows == {1: "uno"}
