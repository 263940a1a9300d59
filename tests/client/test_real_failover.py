"""Both twins on a real cluster with two copies: sessions, ids, a frozen and a dead primary."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import shoal
from frozen import freeze
from local_cluster import LocalCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


@pytest.fixture
def real() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3, partitions=16, replicas=1, lease_ttl_seconds=2) as cluster:
        yield cluster


def pid_of_primary(cluster, client, key):
    primary = client.topology().partition_of(key).primary
    return next(node.pid for node in cluster.node_processes if node.id == primary)


def connected(connect, cluster, eventually):
    client = connect(cluster.url, timeout="20s")
    client.topology(timeout="20s")
    eventually(
        lambda: all(len(each.in_sync) == 2 for each in client.topology().partitions),
        what="two copies of every partition",
    )
    return client


def test_a_session_over_replicas_reads_its_writes_and_never_goes_back(connect, real, eventually):
    client = connected(connect, real, eventually)
    session = client.session()
    for number in range(200):
        key = f"k{number % 20}"
        value = str(number).encode()
        session.set(key, value)
        assert session.get(key) == value
        if number % 3 == 0:
            session.delete(key)
            assert {session.get(key) for _ in range(3)} == {shoal.MISSING}
            assert session.get_many([key]) == {key: shoal.MISSING}
    assert session.incr("n") == 1
    assert session.get("n") == b"1"


def test_what_another_session_deleted_does_not_come_back(connect, real, eventually):
    """A miss tells how far its copy had come, so that no other copy takes it back."""
    client = connected(connect, real, eventually)
    for number in range(100):
        # Every copy has the value before one of them loses it.
        client.set("k", str(number), ack="in_sync")
        client.delete("k", ack="primary")
        session = client.session()
        seen = [session.get("k") for _ in range(6)]
        gone = seen.index(shoal.MISSING) if shoal.MISSING in seen else len(seen)
        assert set(seen[gone:]) <= {shoal.MISSING}, seen


def test_increments_count_once_over_the_kill_of_their_primary(connect, real, eventually):
    client = connected(connect, real, eventually)
    for number in range(1, 400):
        if number == 100:
            os.kill(pid_of_primary(real, client, "n"), signal.SIGKILL)
        assert client.incr("n") == number


def test_a_frozen_primary_holds_no_call_once_another_serves(connect, real, eventually):
    client = connected(connect, real, eventually)
    client.set("k", b"old")
    pid = pid_of_primary(real, client, "k")
    freeze(pid)
    try:
        assert client.set("k", b"new", ack="in_sync")
        assert client.get("k") == b"new"
        assert client.incr("n:k") == 1
        assert client.get_many(["k"]) == {"k": b"new"}
        assert client.delete("k") == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    assert client.get("k") is shoal.MISSING
