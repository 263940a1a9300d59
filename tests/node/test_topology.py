"""A view as clients read it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import live, record, view
from shoal.v1 import topology_pb2 as pb
from shoal_coordinator.registry.view import ClusterView
from shoal_node.topology import TopologyWriter


def topology_of(of: ClusterView, writer: TopologyWriter | None = None) -> pb.Topology:
    return pb.Topology.FromString((writer or TopologyWriter()).serialized(of))


def test_a_topology_is_complete_and_of_the_views_revision() -> None:
    told = topology_of(
        view(nodes=(live("b"), live("a", weight=0)), records=(record(1, "b", epoch=4),))
    )
    assert (told.cluster, told.revision, told.complete) == ("test", 10, True)
    assert told.partition_count == 8
    assert [(node.id, node.address, node.weight) for node in told.nodes] == [
        ("a", "a:7400", 0),
        ("b", "b:7400", 100),
    ]
    (partition,) = told.partitions
    assert (partition.id, partition.epoch, partition.primary) == (1, 4, "b")
    assert list(partition.in_sync) == ["b"]


def test_a_primary_that_is_gone_or_has_restarted_is_nobody() -> None:
    told = topology_of(
        view(
            nodes=(live("b", run=2),),
            records=(record(0, "a"), record(1, "b", run=1), record(2), record(3, "b", run=2)),
        )
    )
    assert [partition.primary for partition in told.partitions] == ["", "", "", "b"]


@given(st.data())
def test_whatever_was_written_before_each_topology_is_the_views_own(data: st.DataObject) -> None:
    writer, of = TopologyWriter(), view(nodes=(live("a"), live("b")))
    records, nodes = {}, (live("a"), live("b"))
    for _ in range(data.draw(st.integers(1, 8))):
        for partition in data.draw(st.sets(st.integers(0, 7), max_size=3)):
            owner, epoch = (
                data.draw(st.sampled_from([None, "a", "b"])),
                data.draw(st.integers(1, 9)),
            )
            records[partition] = record(partition, owner, epoch=epoch)
        if data.draw(st.booleans()):
            there = data.draw(st.sampled_from(["ab", "a", "b", ""]))
            nodes = tuple(
                live(it, run=data.draw(st.integers(1, 2)), since=data.draw(st.integers(1, 2)))
                for it in there
            )
        changed = view(nodes=nodes, records=tuple(records.values()))
        # What did not change is the very same in the next view, as ``apply`` has it.
        same = {it: of.partitions.get(it) for it in records}
        of = replace(
            changed,
            nodes=of.nodes if of.nodes == changed.nodes else changed.nodes,
            partitions={
                it: same[it] if same[it] == held else held
                for it, held in changed.partitions.items()
            },
        )
        assert topology_of(of, writer) == topology_of(of)
