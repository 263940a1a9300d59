"""Real coordinators over a real etcd: kill -9 the leader, stop it, restart etcd."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from cluster_views import live
from etcd_process import EtcdProcess, free_port
from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator.registry.etcd import open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import register_node

pytestmark = [pytest.mark.etcd, pytest.mark.cluster, pytest.mark.timeout(180)]

KEYS = Keys("failover")
TTL_SECONDS = 2


class CoordinatorProcess:
    def __init__(self, etcd: EtcdProcess, name: str, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "shoal_coordinator.main"),
                    *("--etcd", etcd.url, "--listen", self.address, "--id", name),
                    *("--cluster", KEYS.cluster, "--partitions", "32", "--replicas", "0"),
                    *("--bootstrap-nodes", "2", "--lease-ttl", str(TTL_SECONDS)),
                ],
                stderr=log,
            )

    def status(self) -> admin_pb2.GetClusterStatusResponse | None:
        with grpc.insecure_channel(self.address) as channel:
            try:
                return admin_pb2_grpc.AdminStub(channel).GetClusterStatus(
                    admin_pb2.GetClusterStatusRequest(), timeout=5
                )
            except grpc.RpcError:
                return None

    def leader(self) -> str:
        status = self.status()
        return "" if status is None else status.leader.address

    def wanted(self) -> dict[str, int]:
        status = self.status()
        assert status is not None
        return {n.member.id: n.wanted_primary_partitions for n in status.nodes}

    def sentences(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines()]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def pair(
    coordinators_etcd: EtcdProcess, tmp_path: Path, eventually
) -> Iterator[tuple[CoordinatorProcess, CoordinatorProcess]]:
    """Two coordinators; the first leads."""
    running = [CoordinatorProcess(coordinators_etcd, "one", tmp_path)]
    try:
        eventually(lambda: running[0].leader() == running[0].address, what="the first leads")
        running.append(CoordinatorProcess(coordinators_etcd, "two", tmp_path))
        eventually(lambda: running[1].leader() == running[0].address, what="the second follows")
        yield running[0], running[1]
    finally:
        for one in running:
            one.end()


def register(etcd: EtcdProcess, *names: str) -> None:
    """Nodes that live for ten minutes, whatever becomes of them."""

    async def run() -> None:
        store = open_store(etcd.url)
        for name in names:
            lease = await store.grant_lease(600)
            await register_node(store, KEYS, live(name).registration, lease.id)
        await store.close()

    asyncio.run(run())


def test_kill_9_of_the_leader_makes_the_other_lead_and_go_on_planning(
    pair: tuple[CoordinatorProcess, CoordinatorProcess],
    coordinators_etcd: EtcdProcess,
    eventually,
) -> None:
    one, two = pair
    register(coordinators_etcd, "a", "b")
    eventually(lambda: sum(two.wanted().values()) == 32, what="all partitions are planned")
    one.process.kill()
    killed = time.monotonic()
    eventually(lambda: two.leader() == two.address, what="the second leads")
    # The lease's TTL, what etcd adds to it, and a busy machine.
    assert time.monotonic() - killed < TTL_SECONDS + 8
    register(coordinators_etcd, "c")
    eventually(lambda: two.wanted().get("c", 0) > 0, what="the new node is planned for")
    assert "node c joins with weight 100 in no zone" in two.sentences()


def test_a_stopped_leader_resigns_at_once(
    pair: tuple[CoordinatorProcess, CoordinatorProcess], eventually
) -> None:
    one, two = pair
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=20) == 0
    eventually(lambda: two.leader() == two.address, what="the second leads")
    assert "SIGTERM: stopping" in one.sentences()


def test_a_restart_of_etcd_is_survived(
    pair: tuple[CoordinatorProcess, CoordinatorProcess],
    coordinators_etcd: EtcdProcess,
    eventually,
) -> None:
    one, two = pair
    coordinators_etcd.kill()
    eventually(
        lambda: "leadership lost: the lease was not renewed in time" in one.sentences(),
        what="the leader stops acting",
    )
    assert two.status() is not None, "status is answered while etcd is away"
    coordinators_etcd.start()
    register(coordinators_etcd, "a", "b")
    eventually(
        lambda: sum(one.wanted().values()) == 32,
        what="somebody leads and plans",
        within_seconds=40,
    )
    assert one.process.poll() is None
    assert two.process.poll() is None
