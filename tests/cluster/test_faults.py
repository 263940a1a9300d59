"""Real processes, real kills: what a caller sees when a part of the cluster dies."""

from __future__ import annotations

import os
import time

import grpc
import pytest

import shoal
from local_cluster import LocalCluster
from shoal.v1 import admin_pb2, admin_pb2_grpc

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def status_from(address: str) -> admin_pb2.GetClusterStatusResponse | None:
    with grpc.insecure_channel(address) as channel:
        try:
            return admin_pb2_grpc.AdminStub(channel).GetClusterStatus(
                admin_pb2.GetClusterStatusRequest(), timeout=5
            )
        except grpc.RpcError:
            return None


def leader_of(cluster: LocalCluster) -> str | None:
    for address, _ in cluster.coordinators:
        status = status_from(address)
        if status is not None and status.leader.address:
            return status.leader.address
    return None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_killed_node_costs_misses_and_latency_but_no_error(eventually) -> None:
    with (
        LocalCluster(nodes=3) as cluster,
        shoal.Client.from_url(f"{cluster.url}?timeout=15s") as client,
    ):
        keys = [f"k{number}" for number in range(300)]
        client.set_many({key: key for key in keys})
        before = client.get_many(keys)
        assert all(before[key] == key.encode() for key in keys)
        victim = cluster.node_processes[1]
        cluster.kill(victim.pid)
        # The caller's deadline covers the lease: nothing but latency shows.
        after = client.get_many(keys)
        lost = [key for key in keys if after[key] is shoal.MISSING]
        assert all(after[key] in (key.encode(), shoal.MISSING) for key in keys)
        assert 0 < len(lost) < 200
        client.set_many(dict.fromkeys(lost, "new"))
        assert all(client.get(key) == b"new" for key in lost)

        cluster.start_node(victim.id, victim.address)
        eventually(
            lambda: victim.id in {node.id for node in client.topology().nodes.values()},
            what="the restarted node in the client's map",
        )
        again = client.get_many(keys)
        assert all(again[key] in (key.encode(), b"new", shoal.MISSING) for key in keys)


def test_a_deleted_value_stays_deleted_through_kill_and_restart(eventually) -> None:
    with (
        LocalCluster(nodes=3) as cluster,
        shoal.Client.from_url(f"{cluster.url}?timeout=15s") as client,
    ):
        keys = [f"d{number}" for number in range(200)]
        client.set_many(dict.fromkeys(keys, "old"))
        client.delete(*keys)
        for victim in cluster.node_processes[:2]:
            cluster.kill(victim.pid)
            assert set(client.get_many(keys).values()) == {shoal.MISSING}
            cluster.start_node(victim.id, victim.address)
            eventually(
                lambda: all(client.set(key, "probe", ttl=1).applied for key in ("a", "b", "c")),
                what="writes everywhere",
            )
            assert set(client.get_many(keys).values()) == {shoal.MISSING}


def test_a_restart_within_the_lease_is_noticed_at_once(eventually) -> None:
    with (
        LocalCluster(nodes=3, lease_ttl_seconds=10) as cluster,
        shoal.Client.from_url(f"{cluster.url}?timeout=8s") as client,
    ):
        # As below: who knows the owners writes to them, and repeats what never arrived.
        client.topology()
        victim = cluster.node_processes[0]
        cluster.kill(victim.pid)
        started = time.monotonic()
        cluster.start_node(victim.id, victim.address)
        client.set_many({f"r{number}": "v" for number in range(200)})
        # Waiting for the old lease would have taken longer than the client's deadline.
        assert time.monotonic() - started < 8


def test_the_cache_serves_while_every_coordinator_is_down(eventually) -> None:
    with (
        LocalCluster(nodes=3) as cluster,
        shoal.Client.from_url(f"{cluster.url}?timeout=15s") as client,
    ):
        # A client that does not know who owns what sends to any node, and a write that one
        # node was forwarding to another that dies is rightly not repeated.
        client.topology()
        for _, pid in cluster.coordinators:
            cluster.kill(pid)
        client.set_many({f"c{number}": "v" for number in range(100)})
        cluster.kill(cluster.node_processes[2].pid)
        client.set_many({f"c{number}": "w" for number in range(100)})
        assert set(client.get_many([f"c{number}" for number in range(100)]).values()) == {b"w"}


def test_the_second_coordinator_leads_when_the_first_is_killed(eventually) -> None:
    with LocalCluster(nodes=2) as cluster:
        first = eventually(lambda: leader_of(cluster), what="a leader")
        pids = dict(cluster.coordinators)
        cluster.kill(pids[first])
        second = eventually(
            lambda: (found := leader_of(cluster)) != first and found,
            what="another leader",
            within_seconds=30,
        )
        assert second in pids
        cluster.start_node("late", "127.0.0.1:0")
        (surviving,) = [address for address in pids if address != first]
        eventually(
            lambda: (
                (status := status_from(surviving)) is not None
                and any(
                    node.member.id == "late" and node.primary_partitions > 0
                    for node in status.nodes
                )
            ),
            what="the new leader to give the late node its share",
            within_seconds=60,
        )


def test_a_killed_launcher_leaves_nothing_behind(eventually) -> None:
    with LocalCluster(nodes=3) as cluster:
        pids = cluster.all_pids()
        assert all(map(is_running, pids))
        cluster.kill(cluster.up.pid)
        eventually(
            lambda: not any(map(is_running, pids)), what="every process to go", within_seconds=30
        )
