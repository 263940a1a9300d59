"""etcd is put back to an older backup while the cluster serves."""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

import shoal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

KEYS = [f"kept:{number}" for number in range(64)]
DELETED = [f"deleted:{number}" for number in range(64)]
REVISIONS_AHEAD = 300
"""More than starting everything again writes: what was seen before stays ahead of it."""


def records(cluster: Cluster) -> dict[str, str]:
    """Every partition's record in etcd, by the revision at which it was written."""

    def coded(key: str) -> str:
        return base64.b64encode(key.encode()).decode()

    prefix = "/shoal/default/partitions"
    asked = {"key": coded(f"{prefix}/"), "range_end": coded(f"{prefix}0")}
    found = cluster.ask_etcd("/v3/kv/range", asked)["kvs"]
    return {item["key"]: item["mod_revision"] for item in found}


def test_everything_stops_at_a_restored_backup_and_serves_again_once_it_is_started(
    tmp_path: Path,
) -> None:
    with (
        Cluster(Shape(nodes=3, replicas=1), Proxies(), tmp_path / "cluster") as cluster,
        shoal.Client(cluster.seeds, timeout="15s") as client,
    ):
        cluster.wait_until_served(2)
        client.set_many(dict.fromkeys([*KEYS, *DELETED], "v"), ack="in_sync")
        backup = tmp_path / "backup"
        cluster.etcd.terminate()
        cluster.etcd.wait()
        shutil.copytree(cluster.etcd_data(), backup)
        cluster.start_etcd()
        go_on(cluster)
        client.delete(*DELETED)
        assert set(client.get_many(KEYS).values()) == {b"v"}

        cluster.etcd.kill()
        shutil.rmtree(cluster.etcd_data())
        shutil.copytree(backup, cluster.etcd_data())
        cluster.start_etcd()
        then = records(cluster)
        for program in (*cluster.nodes.values(), *cluster.coordinators):
            assert program.wait() == 1
            assert "older backup" in program.said()
        # Nobody has acted on the past before it stopped.
        assert records(cluster) == then
        for program in (*cluster.coordinators, *cluster.nodes.values()):
            program.start()
        with shoal.Client(cluster.seeds, timeout="1s") as comer:
            written_again(comer, within_seconds=40.0)
            assert set(comer.get_many(DELETED).values()) == {shoal.MISSING}
        # One that knows the cluster from before goes on as well.
        written_again(client, within_seconds=20.0)
        assert set(client.get_many(KEYS).values()) == {b"again"}
        assert set(client.get_many(DELETED).values()) == {shoal.MISSING}


def go_on(cluster: Cluster) -> None:
    """Let partitions change hands, and revisions rise, so that the backup is the past."""
    began_ns = time.monotonic_ns()
    cluster.nodes["node-1"].kill()
    cluster.nodes["node-1"].start()
    cluster.chronicle.until(
        lambda _: cluster.chronicle.is_back("node-1", began_ns), "node-1 to be back"
    )
    cluster.wait_until_served(2)
    assert cluster.chronicle.promotions(began_ns)
    for number in range(REVISIONS_AHEAD):
        key = base64.b64encode(f"/elsewhere/{number}".encode()).decode()
        cluster.ask_etcd("/v3/kv/put", {"key": key, "value": ""})


def written_again(client: shoal.Client, within_seconds: float) -> None:
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            client.set_many(dict.fromkeys(KEYS, "again"), ack="in_sync", timeout="1s")
        except shoal.ShoalError as error:
            if time.monotonic() > deadline:
                raise AssertionError("not served again") from error
            time.sleep(0.05)
        else:
            return
