"""Who serves what, counted."""

from __future__ import annotations

from shoal import Topology
from shoal.cli.commands.status import as_json, ranges_text
from shoal.cli.ownership import Ownership, PartitionOwners
from shoal.v1 import topology_pb2

OWNERSHIP = Ownership(
    partition_count=4,
    live=frozenset({"a", "b"}),
    partitions={
        0: PartitionOwners("a", ("a", "b")),
        1: PartitionOwners("b", ("b",)),
        2: PartitionOwners("gone", ("gone", "b")),
    },
)


def test_a_partition_is_unserved_when_its_primary_is_gone_or_was_never_there() -> None:
    assert OWNERSHIP.unserved == (2, 3)


def test_primaries_and_replicas_are_counted_apart() -> None:
    assert (OWNERSHIP.primaries_of("a"), OWNERSHIP.replicas_of("a")) == (1, 0)
    assert (OWNERSHIP.primaries_of("b"), OWNERSHIP.replicas_of("b")) == (1, 2)


def test_a_node_that_is_gone_serves_nothing() -> None:
    assert (OWNERSHIP.primaries_of("gone"), OWNERSHIP.replicas_of("gone")) == (0, 0)


def test_it_is_read_from_a_topology_and_told_as_json() -> None:
    update = topology_pb2.Topology(cluster="default", revision=7, complete=True, partition_count=2)
    update.nodes.add(id="b", address="127.0.0.1:2", zone="z", weight=100)
    update.nodes.add(id="a", address="127.0.0.1:1", zone="z", weight=100)
    update.partitions.add(id=0, epoch=1, primary="a", in_sync=["a", "b"])
    topology = Topology().merged(update)
    ownership = Ownership.of(topology)
    assert ownership.unserved == (1,)
    told = as_json(topology, ownership)
    assert told["unserved_partitions"] == [1]
    assert [
        (node["id"], node["primary_partitions"], node["replica_partitions"])
        for node in told["nodes"]
    ] == [("a", 1, 0), ("b", 0, 1)]


def test_partitions_are_told_as_ranges() -> None:
    assert ranges_text([]) == ""
    assert ranges_text([0, 1, 2, 7, 9, 10]) == "0-2, 7, 9-10"
    assert ranges_text(range(0, 40, 2)).endswith("14, ...")
