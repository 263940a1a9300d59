"""Clients of both kinds with a near cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import shoal
from blocking_face import BlockingFace, LoopThread
from shoal.testing import Cluster


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.grant_near("10s")
    return made


@pytest.fixture(params=["sync", "asyncio"])
def client(request, cluster) -> Iterator[Any]:
    near = shoal.NearCache()
    if request.param == "sync":
        with cluster.client(near=near) as made:
            yield made
        return
    loop = LoopThread()
    face = BlockingFace(cluster.asyncio_client(near=near), loop)
    yield face
    face.close()
    loop.close()


@pytest.fixture
def other(cluster) -> Iterator[shoal.Client]:
    with cluster.client() as made:
        yield made


def hold(client, key) -> None:
    """Have it in memory: the first that is granted makes the client listen to changes."""
    client.get(key)
    client.get(key)
    hits = client.near_stats().hits
    client.get(key)
    assert client.near_stats().hits == hits + 1


def test_a_granted_answer_is_given_from_memory(client, cluster, other) -> None:
    other.set("k", b"old")
    hold(client, "k")
    with cluster.near_cut_off():
        other.set("k", b"new")
        assert client.get("k") == b"old"
        assert client.get("k", read="primary") == b"new"
        cluster.advance("10s")
        assert client.get("k") == b"new"


def test_many_keys_are_held_and_answered_like_one(client, cluster, other) -> None:
    other.set_many({"k": b"old", "l": b"old", "m": b"old"})
    hold(client, "k")
    client.get_many(["k", "l"])
    before = client.near_stats()
    assert client.get("l") == b"old"
    assert client.near_stats().hits == before.hits + 1
    with cluster.near_cut_off():
        other.set_many({"k": b"new", "l": b"new", "m": b"new"})
        assert client.get_many(["k", "m", "l"]) == {"k": b"old", "m": b"new", "l": b"old"}
        assert set(client.get_many(["k", "l"], read="primary").values()) == {b"new"}
        client.set("l", b"mine")
        assert client.get_many(["k", "l"]) == {"k": b"old", "l": b"mine"}


@pytest.mark.parametrize(
    ("write", "reads"),
    [
        (lambda other: other.set("k", b"5"), b"5"),
        (lambda other: other.set_many({"k": b"5", "l": b"6"}), b"5"),
        (lambda other: other.incr("k", 4), b"5"),
        (lambda other: other.delete("k"), shoal.MISSING),
        (lambda other: other.invalidate_tag("t"), shoal.MISSING),
        (lambda other: other.cache().delete("k"), shoal.MISSING),
    ],
    ids=["set", "set_many", "incr", "delete", "tag", "cache"],
)
def test_what_others_write_is_read_at_once(client, other, write, reads) -> None:
    other.set("k", b"1", tags=["t"])
    hold(client, "k")
    write(other)
    assert client.get("k") == reads


def test_a_shorter_time_to_live_is_heard_of_and_a_longer_one_need_not(client, other, cluster):
    other.set("k", b"1", ttl="5s")
    hold(client, "k")
    other.touch("k", "1h")
    assert client.near_stats().dropped == 0
    other.touch("k", "1s")
    assert client.near_stats().dropped == 1
    cluster.advance("2s")
    assert client.get("k") is shoal.MISSING


def test_while_nobody_tells_of_changes_nothing_more_is_held(client, cluster, other) -> None:
    other.set_many({"k": b"old", "l": b"old"})
    hold(client, "k")
    with cluster.near_cut_off():
        assert client.get("l") == client.get("l") == b"old"
        other.set("l", b"new")
        assert client.get("l") == b"new"
        other.set("k", b"new")
    # It is told where the partition stands, and that it has missed something.
    assert client.get("k") == b"new"


def test_what_did_not_change_meanwhile_is_held_on(client, cluster, other) -> None:
    other.set("k", b"v")
    hold(client, "k")
    with cluster.near_cut_off():
        pass
    hits = client.near_stats().hits
    assert client.get("k") == b"v"
    assert client.near_stats().hits == hits + 1


def test_what_is_not_granted_is_asked_for(client, cluster, other) -> None:
    cluster.grant_near(None)
    other.set("k", b"old")
    assert client.get("k") == b"old"
    other.set("k", b"new")
    assert client.get("k") == b"new"
    assert client.near_stats().entries == 0


@pytest.mark.parametrize(
    ("write", "reads"),
    [
        (lambda client: client.set("k", b"5"), b"5"),
        (lambda client: client.set_many({"k": b"5"}), b"5"),
        (lambda client: client.incr("k", 4), b"5"),
        (lambda client: client.delete("k"), shoal.MISSING),
        (lambda client: client.delete("k", "other"), shoal.MISSING),
    ],
    ids=["set", "set_many", "incr", "delete", "delete two"],
)
def test_a_client_reads_what_it_wrote(client, write, reads) -> None:
    client.set("k", b"1")
    hold(client, "k")
    write(client)
    assert client.get("k") == reads


def test_a_write_that_fails_drops_too(client, cluster, other) -> None:
    other.set("k", b"old")
    hold(client, "k")
    with cluster.near_cut_off():
        with cluster.down(), pytest.raises(shoal.Unavailable):
            client.delete("k")
        other.set("k", b"new")
        assert client.get("k") == b"new"


def test_sessions_are_not_answered_from_memory(client, cluster, other) -> None:
    other.set("k", b"old")
    hold(client, "k")
    with cluster.near_cut_off():
        other.set("k", b"new")
        assert client.session().get("k") == b"new"
        assert client.get("k") == b"old"


def test_get_or_load_is_answered_from_memory(client, cluster) -> None:
    with_memory, calls = client.cache(), []

    def loader() -> str:
        calls.append("load")
        return "row"

    for _ in range(5):
        assert with_memory.get_or_load("k", loader, ttl=60) == "row"
    assert client.near_stats().hits >= 2
    with_memory.delete("k")
    assert with_memory.get_or_load("k", loader, ttl=60) == "row"
    assert len(calls) == 2


def test_what_is_held_without_a_fresh_time_is_refreshed_by_the_callers_own(client, cluster) -> None:
    """Stored by a caller that names no fresh time, held in memory, read by one that names one."""
    cache = client.cache(jitter=0)
    assert cache.get_or_load("k", lambda: "old", ttl=10) == "old"
    hold(client, "k")
    cluster.advance("8s")
    assert cache.get_or_load("k", lambda: "new", ttl=10) == "old"
    assert cache.get_or_load("k", lambda: "new", ttl=10, fresh=1) == "old"
    end = time.monotonic() + 10
    while cache.get_or_load("k", lambda: "late", ttl=10, fresh=1) != "new":
        assert time.monotonic() < end, "it was never refreshed"


def test_a_closed_client_answers_nothing_from_memory(client) -> None:
    client.set("k", b"v")
    hold(client, "k")
    client.close()
    with pytest.raises(shoal.ClientClosed):
        client.get("k")


def test_without_one_there_are_no_counts(cluster) -> None:
    with cluster.client() as client:
        assert client.near_stats() is None


def test_a_url_may_ask_for_one() -> None:
    with shoal.Client.from_url("shoal://127.0.0.1:1?near=1000000") as client:
        assert client.near_stats() is not None
    with pytest.raises(shoal.ConfigurationError):
        shoal.Client(["127.0.0.1:1"], near=1)  # type: ignore[arg-type]
