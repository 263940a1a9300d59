"""What was invalidated by its tag stays so, whoever is killed and whatever moves.

Nodes with two copies of everything; one joins, one is killed. A value that was stored after
an invalidation, or carries other tags, stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import shoal
from local_cluster import LocalCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

PARTITIONS = 16
GONE = [f"gone:{number}" for number in range(64)]
AGAIN = [f"again:{number}" for number in range(64)]
OTHER = [f"other:{number}" for number in range(64)]


@pytest.fixture
def real() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3, partitions=PARTITIONS, replicas=1) as cluster:
        yield cluster


@pytest.fixture
def client(real: LocalCluster) -> Iterator[shoal.Client]:
    with shoal.Client(real.addresses, timeout="20s") as client:
        yield client


def all_have_two(client: shoal.Client, nodes: int) -> bool:
    """Whether every partition has two copies in sync, on as many nodes as there are."""
    topology = client.topology()
    live = topology.nodes
    primaries = {partition.primary for partition in topology.partitions}
    has_two = all(
        len([node for node in partition.in_sync if node in live]) == 2
        for partition in topology.partitions
    )
    return has_two and len(primaries) == nodes


def check(client: shoal.Client) -> None:
    for read in ("primary", "any"):
        assert set(client.get_many(GONE, read=read).values()) == {shoal.MISSING}
        assert set(client.get_many(AGAIN, read=read).values()) == {b"new"}
        assert set(client.get_many(OTHER, read=read).values()) == {b"other"}


def test_tags_survive_moves_and_kills(real, client, eventually) -> None:
    eventually(lambda: all_have_two(client, 3), what="two copies", within_seconds=60)
    stored = dict.fromkeys(GONE + AGAIN, b"old")
    assert all(client.set_many(stored, tags=["t", "u"], ack="in_sync").values())
    assert all(client.set_many(dict.fromkeys(OTHER, b"other"), tags=["u"]).values())
    client.invalidate_tag("t")
    again = dict.fromkeys(AGAIN, b"new")
    assert all(client.set_many(again, tags=["t"], ack="in_sync").values())
    check(client)
    address = "127.0.0.1:0"
    real.start_node("late", address)
    eventually(lambda: all_have_two(client, 4), what="the new node's share", within_seconds=60)
    check(client)
    victim = real.node_processes[0]
    real.kill(victim.pid)
    eventually(
        lambda: victim.id not in {it.primary for it in client.topology().partitions},
        what="its copies to take over",
        within_seconds=60,
    )
    check(client)
    # And it goes on from there.
    client.invalidate_tag("u")
    assert set(client.get_many(OTHER).values()) == {shoal.MISSING}
    assert set(client.get_many(AGAIN).values()) == {b"new"}


def test_a_stale_value_has_one_refresher_after_a_failover_too(real, client, eventually) -> None:
    eventually(lambda: all_have_two(client, 3), what="two copies", within_seconds=60)
    key = "price:42"
    cache = client.cache()
    assert cache.get_or_load(key, lambda: "old", ttl="10m", fresh="1ms", jitter=0) == "old"
    owner = client.topology().partition_of(key).primary
    (victim,) = [node for node in real.node_processes if node.id == owner]
    client.set("probe", b"in sync", ack="in_sync")
    real.kill(victim.pid)
    loads = []

    def loader() -> str:
        loads.append(key)
        return "new"

    assert cache.get_or_load(key, loader, ttl="10m", fresh="5m") in ("old", "new")
    eventually(
        lambda: cache.get_or_load(key, loader, ttl="10m", fresh="5m") == "new",
        what="the refreshed value",
        within_seconds=60,
    )
    assert len(loads) == 1
    cache.close()
