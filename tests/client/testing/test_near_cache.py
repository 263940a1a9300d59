"""Clients of both kinds with a near cache."""

from __future__ import annotations

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


def test_a_granted_answer_is_given_from_memory(client, cluster, other) -> None:
    other.set("k", b"old")
    assert client.get("k") == b"old"
    other.set("k", b"new")
    assert client.get("k") == b"old"
    assert client.get("k", read="primary") == b"new"
    cluster.advance("10s")
    assert client.get("k") == b"new"
    assert client.near_stats().hits == 1


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
    assert client.get("k") == b"1"
    write(client)
    assert client.get("k") == reads


def test_a_write_that_fails_drops_too(client, cluster, other) -> None:
    other.set("k", b"old")
    client.get("k")
    with cluster.down(), pytest.raises(shoal.Unavailable):
        client.delete("k")
    other.set("k", b"new")
    assert client.get("k") == b"new"


def test_sessions_are_not_answered_from_memory(client, other) -> None:
    other.set("k", b"old")
    client.get("k")
    other.set("k", b"new")
    assert client.session().get("k") == b"new"


def test_get_or_load_is_answered_from_memory(client, cluster) -> None:
    with_memory, calls = client.cache(), []

    def loader() -> str:
        calls.append("load")
        return "row"

    for _ in range(5):
        assert with_memory.get_or_load("k", loader, ttl=60) == "row"
    assert client.near_stats().hits >= 3
    with_memory.delete("k")
    assert with_memory.get_or_load("k", loader, ttl=60) == "row"
    assert len(calls) == 2


def test_a_closed_client_answers_nothing_from_memory(client) -> None:
    client.set("k", b"v")
    client.get("k")
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
