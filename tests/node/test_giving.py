"""What a hand-over leaves in sync, and how many begin. When one does ``test_decide`` tells."""

from __future__ import annotations

import pytest

from cluster_views import copy, live, record, view
from shoal_coordinator.registry.records import Epoch, Incarnation, NodeId, PartitionId
from shoal_node.actions import HandOver
from shoal_node.giving import hand_overs
from shoal_node.local import Local
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication

P = PartitionId(0)
A, B, C = live("a", since=1), live("b", since=2), live("c", since=3)


@pytest.mark.parametrize(
    ("replicas", "in_sync", "stay"),
    [
        ("c", "b c", ("c",)),
        ("a", "b", ("a",)),
        # As long as a copy lacks that is wanted it stays.
        ("c", "b", ("a",)),
    ],
)
def test_who_hands_over_leaves_its_own_copy_out_where_nobody_wants_it(
    replicas: str, in_sync: str, stay: tuple[str, ...]
) -> None:
    of = record(0, "a", preference="b", replicas=replicas, handoff_to="b", in_sync=in_sync)
    seen = view(nodes=(A, B, C), records=(of,))
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.opened(P, Epoch(1), copy("a").copy_id)
    followers = tuple(Follower(it, copy(it).copy_id, 7, 0, True) for it in in_sync.split())
    own_id = local.copies[P]
    local.observe([PartitionReplication(0, "primary", 1, 7, 1, own_id, followers, 7)])
    (action,) = hand_overs(seen, local, A, 0, Policy())
    assert isinstance(action, HandOver)
    assert (action.to, tuple(it.node for it in action.others)) == ("b", stay)


@pytest.mark.parametrize(("serves", "at_once"), [(3, 2), (299, 2), (800, 8)])
def test_who_stops_hands_over_a_few_at_a_time_or_a_part_of_thousands(
    serves: int, at_once: int
) -> None:
    seen = view(nodes=(A, B), records=tuple(record(p, "a", in_sync="b") for p in range(serves)))
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.stopping = True
    follower = (Follower("b", copy("b").copy_id, 7, 0, True),)
    for p in range(serves):
        local.opened(PartitionId(p), Epoch(1), copy("a").copy_id)
    own_id = copy("a").copy_id
    local.observe(
        [PartitionReplication(p, "primary", 1, 7, 1, own_id, follower, 7) for p in range(serves)]
    )
    begun = [*hand_overs(seen, local, A, 0, Policy())]
    assert len(begun) == at_once
