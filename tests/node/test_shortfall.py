"""How many partitions served here have fewer copies in sync than are wanted."""

from __future__ import annotations

from cluster_views import live, record, view
from shoal_coordinator.registry.records import CopyId, Epoch, Incarnation, NodeId, PartitionId
from shoal_node.local import Local
from shoal_node.shortfall import Shortfall

P, Q, R = PartitionId(0), PartitionId(1), PartitionId(2)
NODES = (live("a", since=1), live("b", since=2))
SHORT = view(nodes=NODES, records=(record(0, "a"), record(1, "a", in_sync="b"), record(2, "b")))
WHOLE = view(nodes=NODES, records=(record(0, "a", in_sync="b"), *(SHORT.partitions[Q].record,)))


def serving(*partitions: PartitionId) -> Local:
    local = Local(NodeId("a"), Incarnation("a-1"))
    for partition in partitions:
        local.opened(partition, Epoch(1), CopyId("a-copy"))
    local.changed.clear()
    return local


def test_what_another_serves_and_what_has_no_record_does_not_count() -> None:
    assert Shortfall(2).after(SHORT, serving(P, Q), None) == 1
    assert Shortfall(1).after(SHORT, serving(P, Q), None) == 0
    assert Shortfall(2).after(WHOLE, serving(Q, R), None) == 0


def test_what_is_not_looked_at_stays_as_it_was() -> None:
    local, shortfall = serving(P, Q), Shortfall(2)
    assert shortfall.after(SHORT, local, None) == 1
    assert shortfall.after(WHOLE, local, ()) == 1
    assert shortfall.after(WHOLE, local, (P,)) == 0
    assert shortfall.after(SHORT, local, (P, R)) == 1


def test_what_a_turn_has_changed_is_looked_at() -> None:
    local, shortfall = serving(P), Shortfall(2)
    assert shortfall.after(SHORT, local, None) == 1
    local.closed(P)
    assert shortfall.after(SHORT, local, ()) == 0
    local.opened(P, Epoch(2), CopyId("a-other"))
    assert shortfall.after(SHORT, local, ()) == 1
