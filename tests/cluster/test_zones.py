"""Nodes in two zones, two copies of everything: reads stay near, and a zone may be lost."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

import shoal
from local_cluster import LocalCluster, NodeProcess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

KEYS = [f"zone:{number}" for number in range(128)]
NEAR, FAR = "zone-a", "zone-b"


@pytest.fixture
def real() -> Iterator[LocalCluster]:
    arguments = ("--zones=2",)
    with LocalCluster(nodes=4, partitions=32, replicas=1, arguments=arguments) as cluster:
        yield cluster


@pytest.fixture
def client(real: LocalCluster, eventually) -> Iterator[shoal.Client]:
    with shoal.Client(real.addresses, timeout="20s", zone=NEAR, read_from="nearest") as client:
        eventually(
            lambda: all(zones_of(client, partition) == {NEAR, FAR} for partition in range(32)),
            what="a copy in sync of every partition in each zone",
        )
        for key in KEYS:
            assert client.set(key, key, ack="in_sync").applied
        yield client


def zones_of(client: shoal.Client, partition: int) -> set[str]:
    """The zones that hold a copy in sync."""
    topology = client.topology()
    in_sync = topology.partitions[partition].in_sync
    return {topology.nodes[node].zone for node in in_sync if node in topology.nodes}


def nodes_in(client: shoal.Client, cluster: LocalCluster, zone: str) -> list[NodeProcess]:
    nodes = client.topology().nodes
    return [process for process in cluster.node_processes if nodes[process.id].zone == zone]


def reads_of(node: NodeProcess) -> float:
    """How many keys it looked up so far, for whom ever."""
    with urllib.request.urlopen(node.metrics, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "shoal_operations_total" and sample.labels["operation"] == "get"
        )


def test_reads_of_the_nearest_stay_in_the_zone(real, client) -> None:
    far = nodes_in(client, real, FAR)
    assert len(far) == 2
    before = [reads_of(node) for node in far]
    for key in KEYS:
        assert client.get(key) == key.encode()
    assert client.get_many(KEYS) == {key: key.encode() for key in KEYS}
    assert [reads_of(node) for node in far] == before
    assert sum(reads_of(node) for node in nodes_in(client, real, NEAR)) >= 2 * len(KEYS)


def test_losing_a_zone_loses_no_partition(real, client, eventually) -> None:
    for node in nodes_in(client, real, FAR):
        os.kill(node.pid, signal.SIGKILL)
    for key in KEYS:
        assert client.get(key, read="primary", timeout="20s") == key.encode()
        assert client.set(key, "after", ack="in_sync", timeout="20s").applied
        assert client.get(key, read="primary", timeout="20s") == b"after"
    eventually(
        lambda: all(
            client.topology().nodes[partition.primary].zone == NEAR
            for partition in client.topology().partitions
        ),
        what="every partition to be served in the zone that is left",
    )
