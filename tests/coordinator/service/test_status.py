"""What is told of a view."""

from __future__ import annotations

from dataclasses import replace

from cluster_views import CONFIG, live, member, record, view
from shoal.v1 import registry_pb2
from shoal_coordinator.registry.records import MemberState
from shoal_coordinator.service.status import Tally, status_of, tally

VIEW = view(
    nodes=(live("a"), live("b", run=2), live("new")),
    members=(member("a"), member("b"), member("gone", MemberState.DRAINING)),
    records=(
        record(0, "a", preference="a b"),
        record(1, "a", preference="b a", handoff_to="b"),
        record(2, "b", run=1, preference="b a"),
        record(3, preference="a b"),
    ),
)


def test_partitions_are_counted_by_who_serves_and_who_should() -> None:
    # Of 8 partitions two are served: b has restarted since it took one, one is not
    # taken, and four are not planned.
    # Those two are also all of which a copy in sync is left.
    assert tally(VIEW) == Tally(unserved=6, misplaced=1, handoffs=1, under_replicated=6)


def test_a_partition_with_fewer_copies_in_sync_than_wanted_is_counted() -> None:
    records = (
        record(0, "a", preference="a b", in_sync="b/2"),
        record(1, "a", preference="a b", in_sync="b"),
        record(2, "a", preference="a b", in_sync="gone"),
    )
    config = replace(CONFIG, replica_count=1, partition_count=3)
    of = view(nodes=(live("a"), live("b", run=2)), records=records, config=config)
    assert tally(of).under_replicated == 2
    status = status_of(of)
    assert status.under_replicated_partitions == 2
    assert {it.member.id: it.in_sync_partitions for it in status.nodes} == {"a": 3, "b": 2}


def test_nodes_are_told_with_and_without_their_process() -> None:
    status = status_of(VIEW)
    assert status.revision == VIEW.revision
    assert status.config.partition_count == CONFIG.partition_count
    nodes = {node.member.id: node for node in status.nodes}
    assert list(nodes) == ["a", "b", "gone", "new"]
    assert nodes["a"].registration.address == "a:7400"
    assert (nodes["a"].primary_partitions, nodes["a"].wanted_primary_partitions) == (2, 2)
    assert (nodes["b"].primary_partitions, nodes["b"].wanted_primary_partitions) == (0, 2)
    assert not nodes["gone"].HasField("registration")
    assert nodes["gone"].member.state == registry_pb2.MEMBER_STATE_DRAINING
    assert nodes["new"].member.state == registry_pb2.MEMBER_STATE_UNSPECIFIED


def test_an_empty_registry_is_told_as_such() -> None:
    empty = view(config=None)
    status = status_of(empty)
    assert not status.HasField("config")
    assert not status.HasField("leader")
    assert tally(empty) == Tally(0, 0, 0)
