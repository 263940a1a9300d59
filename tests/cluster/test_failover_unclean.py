"""Every copy in sync of a partition is lost while a stale one lives: `unclean` decides.

The follower is cut off until the primary has left it out, so that it misses a write and a
delete which were acknowledged in sync. Then the primary is killed, and is back with nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from click.testing import CliRunner
from tools.soak.cluster import Cluster, Shape
from tools.soak.prober import keys_of
from tools.soak.proxies import Proxies

import shoal
from shoal.cli.app import shoal as command
from shoal.v1 import cache_pb2, cache_pb2_grpc
from shoal_coordinator.registry.records import Unclean
from shoal_coordinator.registry.view import ClusterView
from shoal_node.policy import Policy

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

PRIMARY, FOLLOWER = "node-1", "node-2"
IN_SYNC_SECONDS = 20.0
"""For a write that waits until the follower is left out."""
REFUSED_SECONDS = 2.0 + Policy().follow_delay_ms / 1000
"""Longer than nodes wait for each other where no copy in sync is left."""
PARTITIONS = 8


@dataclass
class Ground:
    """Two nodes, and a tag in each partition of the one that will be lost."""

    cluster: Cluster
    proxies: Proxies
    client: shoal.Client
    tags: list[str]
    written: dict[str, int]
    """By tag: the epoch of the newest write that was acknowledged."""

    def choose(self, unclean: Unclean) -> None:
        address = str(self.cluster.addresses["coordinator-1"])
        done = CliRunner().invoke(command, ["config", "set", "unclean", unclean, "-c", address])
        assert done.exit_code == 0, done.output
        self.cluster.chronicle.until(
            lambda view: view.config is not None and view.config.unclean is unclean,
            f"unclean to be {unclean}",
        )

    def leave_behind(self) -> None:
        """Acknowledge what the follower never hears of, kill the primary, and start it.

        On return both nodes are there, and hear nothing of each other.
        """
        for tag in self.tags:
            for what in ("set", "deleted"):
                self.client.set(f"{tag}:{what}", "old", ack="in_sync")
        self.cluster.cut_between(PRIMARY, [FOLLOWER])
        # Past the proxy: nobody else hears the primary through it now.
        with grpc.insecure_channel(str(self.cluster.listeners[PRIMARY])) as channel:
            primary = cache_pb2_grpc.CacheStub(channel)
            # All at once: each waits until its own partition has left the follower out.
            deleting = [
                primary.Del.future(
                    cache_pb2.DelRequest(
                        keys=[f"{tag}:deleted".encode()], ack=cache_pb2.ACK_IN_SYNC
                    ),
                    timeout=IN_SYNC_SECONDS,
                )
                for tag in self.tags
            ]
            setting = {
                tag: primary.Set.future(
                    cache_pb2.SetRequest(
                        key=f"{tag}:set".encode(), value=b"new", ack=cache_pb2.ACK_IN_SYNC
                    ),
                    timeout=IN_SYNC_SECONDS,
                )
                for tag in self.tags
            }
            assert all(done.result().deleted == 1 for done in deleting)
            self.written = {tag: done.result().version.epoch for tag, done in setting.items()}
        self.cluster.chronicle.until(
            lambda _: all(
                [copy.node for copy in self.cluster.in_sync(partition)] == [PRIMARY]
                for partition in self.cluster.primaries(PRIMARY)
            ),
            "the follower to be left out everywhere",
        )
        said = len(self.cluster.nodes[PRIMARY].said())
        self.cluster.nodes[PRIMARY].kill()
        # What the primary has sent is lost with it.
        self.proxies.drop("", PRIMARY)
        self.cluster.nodes[PRIMARY].start()
        self.cluster.chronicle.until(
            lambda _: '"ready to serve"' in self.cluster.nodes[PRIMARY].said()[said:],
            f"{PRIMARY} to be back",
        )

    def read(self) -> list[set[object]]:
        """What is read now of what was set, and of what was deleted."""
        return [
            set(self.client.get_many([f"{tag}:{what}" for tag in self.tags]).values())
            for what in ("set", "deleted")
        ]

    def write_on(self) -> None:
        """All of it can be written, and no version is given twice."""
        for tag in self.tags:
            version = self.client.set(f"{tag}:set", "next", ack="in_sync").version
            assert version is not None
            assert version.epoch > self.written[tag]
        assert self.read()[0] == {b"next"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    proxies = Proxies()
    folder = tmp_path_factory.mktemp("cluster")
    with (
        Cluster(Shape(nodes=2, replicas=1, partitions=PARTITIONS), proxies, folder) as cluster,
        shoal.Client(cluster.seeds, timeout="15s") as client,
    ):
        yield Ground(cluster, proxies, client, [], {})


@pytest.fixture
def ground(shared: Ground) -> Ground:
    """All settled: every copy in sync, every partition where it is planned."""

    def is_settled(view: ClusterView) -> bool:
        return all(
            held.record.primary is not None
            and held.record.primary.node == held.record.preference[0]
            for held in view.partitions.values()
        )

    shared.cluster.wait_until_served(2)
    shared.cluster.chronicle.until(is_settled, "every partition to be where it is planned")
    partitions = shared.cluster.wait_until_served(2) and shared.cluster.primaries(PRIMARY)
    topology = shared.client.topology(timeout="15s")
    shared.tags = [f"{{{tag}}}" for tag in keys_of(topology, partitions).values()]
    assert shared.tags
    return shared


def test_clear_begins_empty_though_a_stale_copy_lives(ground: Ground) -> None:
    ground.choose(Unclean.CLEAR)
    ground.leave_behind()
    ground.proxies.heal()
    assert ground.read() == [{shoal.MISSING}, {shoal.MISSING}]
    ground.write_on()


def test_keep_serves_the_stale_copy_with_what_was_deleted(ground: Ground) -> None:
    ground.choose(Unclean.KEEP)
    ground.leave_behind()
    # Neither node can ask the other how far it is; the one that has nothing waits.
    ground.cluster.chronicle.until(
        lambda _: len(ground.cluster.primaries(FOLLOWER)) == PARTITIONS,
        f"{FOLLOWER} to take over with its stale copies",
    )
    ground.proxies.heal()
    assert ground.read() == [{b"old"}, {b"old"}]
    ground.write_on()


def test_refuse_serves_nothing_until_another_policy_is_chosen(ground: Ground) -> None:
    ground.choose(Unclean.REFUSE)
    ground.leave_behind()
    ground.proxies.heal()
    others = keys_of(ground.client.topology(), ground.cluster.primaries(FOLLOWER))
    until = time.monotonic() + REFUSED_SECONDS
    with shoal.Client(ground.cluster.seeds, timeout="5s", max_attempts=1) as once:
        once.topology()
        while time.monotonic() < until:
            for tag in ground.tags:
                with pytest.raises(shoal.ShoalError) as refused:
                    once.set(f"{tag}:set", "next", ack="primary")
                assert refused.value.reason == "NO_OWNER"
                assert refused.value.outcome is shoal.Outcome.NOT_APPLIED
    # What has a copy in sync is served as ever.
    ground.client.set_many(dict.fromkeys(others.values(), "v"))
    # The stale copies are there still, and it is not too late to keep them.
    ground.choose(Unclean.KEEP)
    assert ground.read() == [{b"old"}, {b"old"}]
    ground.write_on()
