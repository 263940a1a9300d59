"""etcd cannot be reached, by one node or by all; and everything is restarted in turn."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

import shoal
from played_rounds import Play

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def test_a_primary_that_loses_etcd_is_succeeded_and_never_beside_its_successor(
    played: Play,
) -> None:
    assert played("cut-from-etcd").faults[0].promotions > 0


def test_an_etcd_restart_loses_nothing(hurt: Cluster, played: Play) -> None:
    before = {
        partition: held.record.primary for partition, held in hurt.chronicle.view.partitions.items()
    }
    done = played("kill-etcd")
    assert done.judged.primary_adds.lost == 0
    after = hurt.chronicle.view.partitions
    assert {partition: held.record.primary for partition, held in after.items()} == before


def test_an_etcd_that_stands_still_makes_nodes_fence_themselves_and_resume(played: Play) -> None:
    played("pause-etcd")


def test_leases_that_are_all_gone_at_once_cost_no_data(hurt: Cluster, played: Play) -> None:
    done = played("lose-leases")
    assert done.judged.primary_adds.lost == 0


def test_everything_is_restarted_in_turn_and_nothing_acknowledged_in_sync_is_lost(
    played: Play,
) -> None:
    played("roll")


def test_nodes_stop_at_a_restored_backup_and_serve_again_once_they_are_started(
    tmp_path: Path,
) -> None:
    with Cluster(Shape(nodes=2, replicas=1), Proxies(), tmp_path / "cluster") as cluster:
        backup = tmp_path / "backup"
        cluster.etcd.terminate()
        cluster.etcd.wait()
        shutil.copytree(cluster.etcd_data(), backup)
        cluster.etcd.start()
        cluster.wait_until_served()
        # The registry goes on, so that the backup is the past.
        cluster.nodes["node-1"].kill()
        cluster.chronicle.until(
            lambda view: len(cluster.primaries("node-2")) == cluster.shape.partitions,
            "node-2 to take everything over",
        )
        cluster.etcd.kill()
        shutil.rmtree(cluster.etcd_data())
        shutil.copytree(backup, cluster.etcd_data())
        cluster.etcd.start()
        node = cluster.nodes["node-2"]
        assert node.wait() == 1
        assert "backup" in node.said()
        for program in cluster.programs:
            if not program.is_running:
                program.start()
        with shoal.Client(cluster.seeds, timeout="1s") as client:
            served_again(client)


def served_again(client: shoal.Client, within_seconds: float = 40.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not is_served(client):
        assert time.monotonic() < deadline, "not served again"
        time.sleep(0.05)


def is_served(client: shoal.Client) -> bool:
    try:
        client.set_many({f"again:{number}": "v" for number in range(50)})
    except shoal.ShoalError:
        return False
    return True
