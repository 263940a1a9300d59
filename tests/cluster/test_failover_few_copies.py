"""Copies are lost until few, or none, are left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

import shoal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

KEYS = [f"few:{number}" for number in range(64)]


def set_all(client: shoal.Client, value: str, within_seconds: float = 40.0) -> None:
    """Write every key in sync, as soon as it can be."""
    deadline = time.monotonic() + within_seconds
    for key in KEYS:
        while True:
            try:
                client.set(key, value, ack="in_sync")
                break
            except shoal.ShoalError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{key} cannot be written") from error
                time.sleep(0.05)


def test_with_too_few_copies_writes_in_sync_are_refused_and_others_are_not(tmp_path: Path) -> None:
    shape = Shape(nodes=2, replicas=1, coordinator_arguments=("--min-in-sync", "2"))
    with (
        Cluster(shape, Proxies(), tmp_path) as cluster,
        shoal.Client(cluster.seeds, timeout="2s") as client,
        # One that tries again may be told of its last try that nobody knows what became of it.
        shoal.Client(cluster.seeds, timeout="5s", max_attempts=1) as once,
    ):
        cluster.wait_until_served(2)
        set_all(client, "one")
        cluster.nodes["node-1"].kill()
        cluster.chronicle.until(
            lambda view: all(
                held.record.primary is not None
                and held.record.primary.node == "node-2"
                and len(held.record.in_sync) == 1
                for held in view.partitions.values()
            ),
            "node-2 to be alone",
        )
        for key in KEYS:
            assert client.get(key, timeout="15s") == b"one"
            assert client.set(key, "two", ack="primary", timeout="15s").applied
        for key in KEYS:
            with pytest.raises(shoal.ShoalError) as refused:
                once.set(key, "three", ack="in_sync")
            assert refused.value.outcome is shoal.Outcome.NOT_APPLIED
            assert client.get(key) == b"two"
        cluster.nodes["node-1"].start()
        cluster.wait_until_served(2)
        set_all(client, "four")
        assert set(client.get_many(KEYS).values()) == {b"four"}


def test_where_no_copy_is_left_the_partition_begins_empty(tmp_path: Path) -> None:
    with (
        Cluster(Shape(nodes=2, replicas=1), Proxies(), tmp_path) as cluster,
        shoal.Client(cluster.seeds, timeout="15s") as client,
    ):
        cluster.wait_until_served(2)
        set_all(client, "one")
        for program in cluster.nodes.values():
            program.kill()
        for program in cluster.nodes.values():
            program.start()
        set_all(client, "two")
        cluster.wait_until_served(2)
        client.delete(*KEYS)
        for program in cluster.nodes.values():
            program.kill()
            program.start()
            cluster.wait_until_served(2)
            # Neither what was lost nor what was deleted comes back.
            assert set(client.get_many(KEYS).values()) == {shoal.MISSING}
