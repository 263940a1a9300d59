"""A view as clients read it."""

from __future__ import annotations

from cluster_views import live, record, view
from shoal_node.topology import topology_of


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
