"""Nodes that are told to stop wait for whoever is to have their data: as Kubernetes restarts
and scales a StatefulSet, which waits for a pod to be ready and never for copies."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

from operated_cluster import COPIES, OperatedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NODES = ("node-1", "node-2", "node-3", "node-4")
STOP_SECONDS = 90.0


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedCluster]:
    """Four nodes, two copies of 32 partitions, 24 MB in them, and copies that come slowly."""
    folder = tmp_path_factory.mktemp("stopping")
    shape = Shape(
        nodes=len(NODES),
        replicas=COPIES - 1,
        partitions=32,
        node_arguments=("--stop-within", f"{STOP_SECONDS:g}"),
        coordinator_arguments=("--down-grace", "5"),
    )
    with Cluster(shape, Proxies(), folder) as cluster:
        cluster.wait_until_served(COPIES)
        operated = OperatedCluster(cluster, folder)
        operated.fill()
        # A node's share takes longer than the five seconds that a node has by default.
        operated.run("config", "set", "snapshot-rate", "400KiB")
        yield operated


def is_ready(cluster: Cluster, node: str) -> bool:
    """As the readiness probe asks."""
    asked = health_pb2.HealthCheckRequest(service="shoal.v1.Cache")
    with grpc.insecure_channel(str(cluster.addresses[node])) as channel:
        try:
            told = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=1)
        except grpc.RpcError:
            return False
    return bool(told.status == health_pb2.HealthCheckResponse.SERVING)


def test_nodes_restarted_one_after_the_other_wait_for_copies_by_themselves(
    operated: OperatedCluster,
) -> None:
    cluster = operated.cluster
    with operated.verified("rolling", with_failures=False) as load:
        for name in NODES:
            cluster.nodes[name].terminate()
            assert cluster.nodes[name].wait(STOP_SECONDS) == 0
            cluster.nodes[name].start()
            operated.until(lambda name=name: is_ready(cluster, name), f"{name} to be ready")
    assert load.errors == {}
    assert operated.is_all_there()


def test_nodes_that_stop_together_leave_nothing_behind_and_their_share_is_made_up_for(
    operated: OperatedCluster,
) -> None:
    cluster = operated.cluster
    cluster.wait_until_served(COPIES)
    with operated.verified("scaled-down", with_failures=False) as load:
        for name in NODES[2:]:
            cluster.nodes[name].terminate()
        for name in NODES[2:]:
            assert cluster.nodes[name].wait(STOP_SECONDS) == 0
        operated.wait_until_settled(*NODES[:2])
    assert load.errors == {}
    assert operated.is_all_there()
