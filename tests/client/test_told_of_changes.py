"""Both twins listen to the nodes that granted them something, over real gRPC."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from google.rpc import code_pb2

import shoal
from fake_refusal import status
from shoal._drivers import aio_listener, blocking_listener

LOST = status(code_pb2.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
ENDED = status(code_pb2.UNAVAILABLE, "STOPPING")


@pytest.fixture
def granting(cluster):
    cluster.telling.near_ms = 3_600_000
    return cluster


@pytest.fixture
def client(connect, granting) -> Any:
    made = connect(granting.url, timeout="10s", near=shoal.NearCache())
    made.topology()
    return made


@pytest.fixture
def other(granting) -> Any:
    with shoal.Client.from_url(granting.url, timeout="10s") as made:
        yield made


@pytest.fixture
def hold(client, eventually) -> Callable[[str], None]:
    """Reads until the client has a key in its memory."""

    def read(key: str) -> None:
        hits = client.near_stats().hits

        def holds() -> bool:
            client.get(key)
            return client.near_stats().hits > hits

        eventually(holds, what=f"{key} to be held")

    return read


def test_the_first_grant_opens_one_stream_to_that_node(granting, client, hold, eventually):
    key = granting.key_owned_by(granting.nodes["n1"])
    client.set(key, b"v")
    assert client.near_stats().told_partitions == 0
    for _ in range(3):
        hold(key)
    assert [granting.telling.listeners(node) for node in ("n0", "n1", "n2")] == [0, 1, 0]
    assert len(granting.nodes["n1"].requests("WatchInvalidations")) == 1
    assert not granting.nodes["n1"].requests("WatchInvalidations")[0].partitions
    of_n1 = granting.owners.count("n1")
    eventually(
        lambda: client.near_stats().told_partitions == of_n1, what="every partition to be told"
    )


def test_what_another_client_writes_is_heard_of(client, other, hold, eventually):
    other.set_many({"k": b"old", "l": b"old"})
    hold("k")
    hold("l")
    other.set("k", b"new")
    eventually(lambda: client.get("k") == b"new", what="the change to be heard of")
    other.delete("l")
    eventually(lambda: client.get("l") is shoal.MISSING, what="the delete to be heard of")
    assert client.near_stats().dropped_partitions == 0


def test_a_gap_drops_the_partition(granting, client, other, hold, eventually):
    key = granting.key_owned_by(granting.nodes["n1"])
    beside = "beside:{" + key + "}"
    other.set_many({key: b"old", beside: b"v"})
    hold(key)
    granting.telling.skip(key.encode())
    granting.entries[key.encode()] = (b"new", 0, 1)
    assert client.get(key) == b"old"
    hold(beside)
    other.set(beside, b"w")
    eventually(lambda: client.get(key) == b"new", what="the gap to be noticed")
    assert client.near_stats().dropped_partitions == 1


def test_a_stream_that_ends_is_opened_again_and_nothing_dropped(granting, client, hold, eventually):
    key = granting.key_owned_by(granting.nodes["n1"])
    client.set(key, b"v")
    hold(key)
    granting.telling.end("n1", ENDED)
    asked = granting.nodes["n1"].requests
    eventually(lambda: len(asked("WatchInvalidations")) == 2, what="it to listen again")
    eventually(lambda: client.near_stats().told_partitions > 0, what="it to be told again")
    gets = len(asked("Get"))
    client.get(key)
    assert len(asked("Get")) == gets
    assert client.near_stats().dropped_partitions == 0


def test_what_changed_while_nobody_told_is_dropped(granting, client, other, hold, eventually):
    key = granting.key_owned_by(granting.nodes["n1"])
    other.set(key, b"old")
    hold(key)
    granting.telling.silent.add("n1")
    granting.telling.end("n1", ENDED)
    eventually(lambda: client.near_stats().told_partitions == 0, what="the end to be noticed")
    other.set(key, b"new")
    assert client.get(key) == b"old"
    beside = granting.key_owned_by(granting.nodes["n1"], "beside")
    other.set(beside, b"1")
    assert client.get(beside) == b"1"
    other.set(beside, b"2")
    assert client.get(beside) == b"2"
    granting.telling.silent.clear()
    eventually(lambda: client.get(key) == b"new", what="it to be told what it missed")


def test_who_was_too_slow_drops_everything_of_that_node(granting, client, hold, eventually):
    keys = [granting.key_owned_by(granting.nodes[node]) for node in ("n1", "n2")]
    for key in keys:
        client.set(key, b"v")
        hold(key)
    told = client.near_stats().told_partitions
    granting.telling.silent.add("n1")
    granting.telling.end("n1", LOST)
    of_n1 = granting.owners.count("n1")
    eventually(
        lambda: client.near_stats().told_partitions == told - of_n1, what="the end to be noticed"
    )
    assert client.near_stats().dropped_partitions == of_n1
    hits = client.near_stats().hits
    for key in keys:
        client.get(key)
    assert client.near_stats().hits == hits + 1


def test_a_partition_that_moves_is_dropped_and_its_new_owner_listened_to(
    granting, client, other, hold, eventually
):
    key = granting.key_owned_by(granting.nodes["n1"])
    other.set(key, b"old")
    hold(key)
    granting.entries[key.encode()] = (b"new", 0, 1)
    granting.move(granting.partition(key.encode()), "n2")
    eventually(lambda: client.get(key) == b"new", what="the move to be heard of")
    hold(key)
    assert granting.telling.listeners("n2") == 1
    other.set(key, b"newer")
    eventually(lambda: client.get(key) == b"newer", what="the new owner to be heard")


def test_the_topology_alone_is_enough(granting, client, other, hold, eventually):
    """Its old owner says nothing any more, and closes nothing."""
    key = granting.key_owned_by(granting.nodes["n1"])
    other.set(key, b"old")
    hold(key)
    moved = granting.telling.moved
    granting.telling.moved = lambda *_: None
    granting.entries[key.encode()] = (b"new", 0, 1)
    granting.move(granting.partition(key.encode()), "n2")
    granting.telling.moved = moved
    eventually(lambda: client.get(key) == b"new", what="the topology to be heard")


def test_a_node_that_left_is_not_listened_to(granting, client, hold, eventually):
    key = granting.key_owned_by(granting.nodes["n1"])
    client.set(key, b"v")
    hold(key)
    granting.leave("n1")
    eventually(lambda: granting.telling.listeners("n1") == 0, what="the stream to end")
    hold(key)


def test_a_stream_is_renewed_and_nothing_dropped(granting, client, hold, eventually, monkeypatch):
    for listener in (aio_listener, blocking_listener):
        monkeypatch.setattr(listener, "STREAM_SECONDS", 0.2)
    key = granting.key_owned_by(granting.nodes["n1"])
    client.set(key, b"v")
    hold(key)
    asked = granting.nodes["n1"].requests
    eventually(lambda: len(asked("WatchInvalidations")) >= 3, what="it to listen again")
    hold(key)
    assert client.near_stats().dropped_partitions == 0


def test_without_a_near_cache_nobody_listens(granting, connect):
    client = connect(granting.url, timeout="10s")
    client.set("k", b"v")
    assert [client.get("k") for _ in range(3)] == [b"v"] * 3
    assert not granting.owner("k").requests("WatchInvalidations")


def test_a_client_that_is_closed_listens_no_more(granting, client, hold, eventually):
    client.set("k", b"v")
    hold("k")
    client.close()
    owner = granting.owner("k").id
    eventually(lambda: granting.telling.listeners(owner) == 0, what="the stream to end")


def test_a_client_that_is_dropped_listens_no_more(granting, eventually):
    clients = [shoal.Client.from_url(granting.url, timeout="10s", near=shoal.NearCache())]
    clients[0].set("k", b"v")
    owner = granting.owner("k").id

    def is_heard() -> bool:
        clients[0].get("k")
        return granting.telling.listeners(owner) > 0

    eventually(is_heard, what="the stream to be opened")
    clients.clear()
    gc.collect()
    eventually(lambda: granting.telling.listeners(owner) == 0, what="the stream to end")
