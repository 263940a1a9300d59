"""What a node serves, follows and closes, as stories."""

from __future__ import annotations

from dataclasses import replace

from cluster_views import CONFIG, copy, held, live, record, view
from shoal_coordinator.registry.records import Epoch, Incarnation, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView
from shoal_node.decide import decide
from shoal_node.local import Following, Local, Required
from shoal_node.policy import Policy

POLICY = Policy()
P = PartitionId(0)
A, B, C = live("a", since=1), live("b", since=2), live("c", since=3)
TWO_COPIES = replace(CONFIG, replica_count=1)


def seen(primary: str, *, epoch: int = 1, nodes=(A, B, C), **more: str) -> ClusterView:
    of = record(0, primary, epoch=epoch, **{"preference": "b a c", **more})
    return view(nodes=nodes, records=(of,), config=TWO_COPIES)


def node(of: ClusterView) -> Local:
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.fence_lifted, local.installed = True, of.revision
    return local


def following(of: ClusterView, primary: str = "b", epoch: int = 1) -> Local:
    local = node(of)
    address = f"{primary}:7400"
    local.followed(P, Following(NodeId(primary), address, Epoch(epoch)), copy("a").copy_id)
    return local


def serving(of: ClusterView, epoch: int = 1) -> Local:
    local = node(of)
    local.opened(P, Epoch(epoch), copy("a").copy_id)
    local.requires(P, Required((), 1))
    return local


def told(local: Local, of: ClusterView) -> list[str]:
    local.saw(of, 0, POLICY.mass_loss_hold_ms)
    return [str(action) for action in decide(of, local, 0, POLICY)]


def test_what_the_plan_wants_here_is_followed() -> None:
    followed = ["follow b for partition 0 at epoch 1"]
    planned = seen("b")
    assert told(node(planned), planned) == followed
    replica = seen("b", preference="b c a", replicas="a")
    assert told(node(replica), replica) == followed
    next_one = seen("b", preference="b c a", handoff_to="a")
    assert told(node(next_one), next_one) == followed
    unwanted = seen("b", preference="b c a")
    assert told(node(unwanted), unwanted) == []


def test_the_wanted_primary_follows_who_covers_for_it() -> None:
    covered = seen("b", preference="a c b")
    assert told(node(covered), covered) == ["follow b for partition 0 at epoch 1"]


def test_what_is_followed_as_the_record_says_stays_so() -> None:
    of = seen("b")
    assert told(following(of), of) == []


def test_what_is_served_waits_for_whom_its_record_names() -> None:
    of = seen("a", in_sync="b")
    assert told(serving(of), of) == ["partition 0 now waits for b to acknowledge"]


def test_what_is_served_at_another_epoch_than_its_record_says_is_closed() -> None:
    of = seen("a", epoch=2)
    assert told(serving(of), of) == ["close partition 0: its record names a at epoch 2"]


def test_a_new_primary_is_followed_from_where_the_copy_is() -> None:
    of = seen("c", epoch=2)
    assert told(following(of), of) == ["follow c for partition 0 at epoch 2"]


def test_a_copy_is_closed_only_when_no_record_names_it() -> None:
    named = seen("b", preference="b c a", in_sync="a")
    assert told(following(named), named) == []
    unnamed = seen("b", preference="b c a")
    assert told(following(unnamed), unnamed) == ["close partition 0: no copy of it is wanted here"]


def test_while_nobody_serves_it_a_copy_is_kept() -> None:
    of = seen("b", nodes=(A, C), preference="b c a")
    local = following(of)
    local.stopping = True
    assert told(local, of) == []


def test_a_primary_that_was_replaced_follows_its_successor_with_its_data() -> None:
    of = seen("b", epoch=2)
    local = serving(of)
    local.installed = type(of.revision)(1)
    assert told(local, of) == [
        "follow b for partition 0 at epoch 2",
        "install topology of revision 10",
    ]


def test_one_without_a_lease_does_so_too() -> None:
    of = seen("b", epoch=2, nodes=(B, C))
    local = serving(of)
    local.lost_registration()
    assert told(local, of) == ["follow b for partition 0 at epoch 2"]


def test_its_successor_may_be_gone_already() -> None:
    of = seen("b", epoch=2, nodes=(A, C))
    assert told(serving(of), of) == [
        "keep the copy of partition 0: its primary b is gone",
        "look again at 1 ms: partition 0 was served here until now",
    ]


def test_a_primary_that_is_not_wanted_closes_what_it_lost() -> None:
    of = seen("b", epoch=2, preference="b c a")
    assert told(serving(of), of) == ["close partition 0: its record names b at epoch 2"]


def test_after_a_hand_over_the_frozen_copy_follows_where_those_who_wait_are_sent() -> None:
    before = seen("a", preference="b a c", in_sync="b")
    local = serving(before)
    local.froze(P)
    handed = record(0, "b", epoch=2, preference="b a c", in_sync="a")
    local.wrote(held(handed, at=11))
    assert told(local, before) == ["follow b for partition 0 at epoch 2"]


def test_a_copy_that_was_handed_over_and_is_not_wanted_is_dropped_after_the_topology() -> None:
    before = seen("a", preference="b c a", in_sync="b")
    local = serving(before)
    local.froze(P)
    handed = record(0, "b", epoch=2, preference="b c a", in_sync="b")
    local.wrote(held(handed, at=11))
    assert told(local, before) == ["follow b for partition 0 at epoch 2"]
    local.followed(P, Following(NodeId("b"), B.registration.address, Epoch(2)), copy("a").copy_id)
    assert told(local, before) == []
    after = view(
        nodes=(A, B, C), records=(handed,), revision=11, changed_at={0: 11}, config=TWO_COPIES
    )
    assert told(local, after) == [
        "install topology of revision 11",
        "close partition 0: no copy of it is wanted here",
    ]


def test_what_is_handed_to_a_copy_is_served_with_its_data() -> None:
    of = seen("a", epoch=2, in_sync="b")
    assert told(following(of), of) == [
        "serve partition 0 at epoch 2, with its data",
        "partition 0 now waits for b to acknowledge",
    ]


def test_what_is_handed_to_a_copy_that_was_lost_is_passed_on() -> None:
    of = seen("a", epoch=2, in_sync="b")
    local = following(of)
    local.copies[P] = copy("a", life=2).copy_id
    assert told(local, of) == [
        "hand partition 0 over to b at epoch 3: "
        "this node's copy of it is not the one that its record names"
    ]


def test_a_stale_copy_is_dropped_before_a_partition_starts_empty() -> None:
    of = seen("a", epoch=2)
    local = following(of)
    local.copies[P] = copy("a", life=2).copy_id
    local.drew(P, copy("a").copy_id)
    assert told(local, of) == [
        "close partition 0: it starts empty at epoch 2",
        "open partition 0 at epoch 2, empty",
        "partition 0 now waits for nobody else to acknowledge",
    ]


def test_a_copy_that_was_lost_while_it_was_served_is_not_served_on() -> None:
    of = seen("a")
    local = serving(of)
    local.copies[P] = copy("a", life=2).copy_id
    assert told(local, of) == ["close partition 0: the copy that its record names was lost"]


def test_a_node_that_stops_begins_to_follow_nothing() -> None:
    of = seen("b")
    local = node(of)
    local.stopping = True
    assert told(local, of) == []


def test_a_proxy_follows_nothing() -> None:
    proxy = live("a", weight=0)
    of = seen("b", nodes=(proxy, B, C))
    local = node(of)
    local.registered(proxy)
    local.fence_lifted = True
    assert told(local, of) == []
