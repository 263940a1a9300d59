"""Real node processes over a real etcd: join, die, restart, stop. No coordinator:
the test plans the partitions."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shoal.v1 import cache_pb2, cache_pb2_grpc
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.codec import encode_partition
from shoal_coordinator.registry.etcd import open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import change_config, create_config
from shoal_coordinator.registry.port import Put
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Eviction,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView

pytestmark = [pytest.mark.etcd, pytest.mark.cluster]

KEYS = Keys("default")
PARTITIONS = 16
TTL_SECONDS = 2


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Rig:
    """One etcd, and the nodes started on it."""

    etcd: str
    logs: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, node: str, port: int, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "shoal_node.main", "--etcd", self.etcd, "--id", node),
            *("--listen", f"127.0.0.1:{port}", "--maxmemory", "128MiB", "--threads", "1"),
            *arguments,
        ]
        with (self.logs / f"{node}.log").open("ab") as log:
            process = subprocess.Popen(command, stderr=log)
        self.processes.append(process)
        return process

    def plan(self, *nodes: str) -> None:
        asyncio.run(self._plan(tuple(NodeId(node) for node in nodes)))

    async def _plan(self, nodes: tuple[NodeId, ...]) -> None:
        store = open_store(self.etcd)
        records = [
            PartitionRecord(
                PartitionId(number),
                UNTAKEN,
                None,
                None,
                (),
                (),
                preference=(*nodes[number % len(nodes) :], *nodes[: number % len(nodes)]),
            )
            for number in range(PARTITIONS)
        ]
        await store.commit(
            (), [Put(KEYS.partition(it.partition), encode_partition(it)) for it in records]
        )
        await store.close()

    def create(self) -> None:
        asyncio.run(self._create())

    async def _create(self) -> None:
        store = open_store(self.etcd)
        await create_config(store, KEYS, ClusterConfig(PARTITIONS, 0, TTL_SECONDS, 1, "test"))
        await store.close()

    def change_config(self, **changed: Any) -> None:
        asyncio.run(self._change_config(changed))

    async def _change_config(self, changed: dict[str, Any]) -> None:
        store = open_store(self.etcd)
        await change_config(store, KEYS, lambda config: replace(config, **changed))
        await store.close()

    def view(self) -> ClusterView:
        return asyncio.run(self._view())

    async def _view(self) -> ClusterView:
        store = open_store(self.etcd)
        reading = await store.read(KEYS.prefix)
        await store.close()
        return view_of(KEYS, reading).view

    def owners(self) -> list[str]:
        """The live primary of every partition that has one."""
        seen = self.view()
        return [
            held.record.primary.node
            for held in seen.partitions.values()
            if held.record.primary is not None and seen.primary_is_live(held.record)
        ]

    def metrics(self, node: str, path: str = "/metrics") -> str:
        url = self.view().nodes[NodeId(node)].registration.metrics_url
        url = url.replace("/metrics", path)
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())

    def said(self, node: str) -> list[str]:
        lines = (self.logs / f"{node}.log").read_text().splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]


@pytest.fixture
def rig(etcd_binary: Path, tmp_path: Path, eventually) -> Iterator[Rig]:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    etcd = subprocess.Popen(
        [
            etcd_binary,
            *("--data-dir", tmp_path / "etcd", "--initial-cluster", f"default={peer}"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = Rig(client, tmp_path)

    def answers() -> bool:
        with urllib.request.urlopen(f"{client}/health", timeout=1) as answer:
            return bool(answer.status == 200)

    def quietly() -> bool:
        try:
            return answers()
        except OSError:
            return False

    eventually(quietly, what="etcd answers")
    made.create()
    yield made
    for process in (*made.processes, etcd):
        process.kill()
        process.wait()


def test_a_killed_node_is_followed_and_a_restarted_one_is_known(rig: Rig, eventually) -> None:
    one_port = free_port()
    one = rig.start("one", one_port)
    rig.start("two", free_port())
    eventually(lambda: len(rig.view().nodes) == 2, what="both nodes are registered")
    rig.plan("one", "two")
    eventually(
        lambda: sorted(rig.owners()) == ["one"] * 8 + ["two"] * 8, what="each takes its half"
    )
    eventually(
        lambda: 'shoal_partitions{role="primary"} 8.0' in rig.metrics("one"),
        what="the data plane serves them",
    )

    one.kill()
    one.wait()
    eventually(lambda: rig.owners() == ["two"] * PARTITIONS, what="two takes everything")
    rig.start("one", one_port)
    eventually(lambda: NodeId("one") in rig.view().nodes, what="one is back")


def test_a_node_killed_and_started_at_once_does_not_wait_for_its_own_lease(
    rig: Rig, eventually
) -> None:
    # Longer than a start takes on a busy machine, and than anybody waits here.
    rig.change_config(lease_ttl_seconds=60)
    port = free_port()
    first = rig.start("one", port)
    rig.plan("one")
    eventually(lambda: rig.owners() == ["one"] * PARTITIONS, what="it takes everything")
    first.kill()
    first.wait()
    rig.start("one", port)
    eventually(
        lambda: {it.record.epoch for it in rig.view().partitions.values()} == {2},
        what="it takes everything back, empty",
    )
    assert rig.owners() == ["one"] * PARTITIONS
    assert "register: the predecessor is dead: this process has its listener" in rig.said("one")


def test_sigterm_hands_over_gives_the_lease_back_and_exits_with_0(rig: Rig, eventually) -> None:
    one = rig.start("one", free_port())
    rig.start("two", free_port())
    eventually(lambda: len(rig.view().nodes) == 2, what="both nodes are registered")
    rig.plan("one", "two")
    eventually(lambda: len(rig.owners()) == PARTITIONS, what="everything is served")
    one.send_signal(signal.SIGTERM)
    assert one.wait(10) == 0
    assert rig.view().nodes.keys() == {"two"}
    assert rig.owners() == ["two"] * PARTITIONS
    assert "left the cluster" in rig.said("one")


def test_a_second_signal_ends_it_at_once(rig: Rig, eventually) -> None:
    one = rig.start("one", free_port())
    eventually(lambda: NodeId("one") in rig.view().nodes, what="it is registered")
    # Both are there when it wakes up, in either order.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        one.send_signal(number)
    assert one.wait(10) in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert rig.said("one")[-1].endswith(" again: exiting at once")
    assert NodeId("one") in rig.view().nodes, "it did not take the time to leave"


def test_an_address_in_use_is_a_sentence(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = rig.start("one", taken.getsockname()[1])
        assert node.wait(20) == 1
    text = (rig.logs / "one.log").read_text()
    assert "shoal-node: cannot listen on 127.0.0.1:" in text
    assert "Traceback" not in text


def test_a_proxy_owns_nothing(rig: Rig, eventually) -> None:
    rig.start("proxy", free_port(), "--weight", "0")
    rig.plan("proxy")
    eventually(lambda: NodeId("proxy") in rig.view().nodes, what="it is registered")
    eventually(lambda: "ready to serve" in rig.said("proxy"), what="it is ready")
    assert rig.owners() == []


SECRET = "customer:4711"


def use(rig: Rig, port: int, keys: int) -> None:
    """Store and read keys with a name that must not be told."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = cache_pb2_grpc.CacheStub(channel)
        for number in range(keys):
            key = f"{SECRET}:{number}".encode()
            stub.Set(cache_pb2.SetRequest(key=key, value=b"v" * 100), timeout=10)
            stub.Get(cache_pb2.GetRequest(key=key), timeout=10)


@pytest.fixture
def one(rig: Rig, eventually) -> int:
    """A node that finds every request slow and serves everything; its port."""
    port = free_port()
    rig.start("one", port, "--slow-request", "0")
    rig.plan("one")
    eventually(lambda: "ready to serve" in rig.said("one"), what="it is ready")
    eventually(lambda: rig.owners() == ["one"] * PARTITIONS, what="it takes everything")
    return port


def test_the_page_of_metrics_lists_what_a_node_serves(rig: Rig, one: int, repository: Path) -> None:
    use(rig, one, 3)
    served = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            tuple(sorted({label for it in family.samples for label in it.labels} - {"le"})),
        )
        for family in text_string_to_metric_families(rig.metrics("one"))
    }
    page = (repository / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", page, re.MULTILINE)
    listed = {
        (name, kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows
    }
    assert len(listed) == len(rows) > 20
    assert served == listed


def test_keys_are_told_where_an_operator_looks_and_nowhere_else(rig: Rig, one: int) -> None:
    use(rig, one, 100)
    told = json.loads(rig.metrics("one", "/introspection"))
    assert told["slow"]["total"] == 200
    assert told["slow"]["requests"][0]["key"].startswith(SECRET)
    assert told["biggest"]["keys"][0]["key"].startswith(SECRET)
    assert len(told["partitions"]) == PARTITIONS
    assert SECRET not in rig.metrics("one")
    assert SECRET not in (rig.logs / "one.log").read_text()


def test_a_running_node_follows_the_rate_of_snapshots(rig: Rig, one: int, eventually) -> None:
    use(rig, one, 1)
    for rate, said in (
        (1 << 20, "send snapshots at 1048576 bytes a second at most"),
        (0, "send snapshots without a bound"),
    ):
        rig.change_config(snapshot_bytes_per_second=rate)
        eventually(lambda said=said: said in rig.said("one"), what=said)


def test_a_running_node_follows_the_policy_of_the_cluster(rig: Rig, one: int, eventually) -> None:
    use(rig, one, 50)
    assert 'shoal_eviction_policy{policy="s3fifo"} 1.0' in rig.metrics("one")
    rig.change_config(eviction=Eviction.LRU)

    def has_switched() -> bool:
        text = rig.metrics("one")
        is_lru = 'shoal_eviction_policy{policy="lru"} 1.0' in text
        return is_lru and "shoal_switching_partitions 0.0" in text

    eventually(has_switched, what="every partition evicts by lru")
    assert "evict by lru from now on: the cluster's configuration says so" in rig.said("one")
    assert "shoal_entries 50.0" in rig.metrics("one"), "nothing is lost by it"
    # One that comes later begins with it.
    rig.start("two", free_port())
    eventually(lambda: NodeId("two") in rig.view().nodes, what="two is registered")
    assert 'shoal_eviction_policy{policy="lru"} 1.0' in rig.metrics("two")
    assert not any(line.startswith("evict by") for line in rig.said("two"))
