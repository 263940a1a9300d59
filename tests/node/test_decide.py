"""Decisions as stories: what a node sees, and the sentences that it acts on."""

from __future__ import annotations

from dataclasses import replace

from cluster_views import copy, held, live, member, record, view, without
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import (
    Epoch,
    Incarnation,
    MemberState,
    NodeId,
    PartitionId,
)
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.actions import HandOver, TakeOver
from shoal_node.decide import decide, is_ready
from shoal_node.local import Local, Required
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication

POLICY = Policy(follow_delay_ms=250, mass_loss_hold_ms=6_000, take_overs_at_once=4)
A, B, C = live("a", since=1), live("b", since=2), live("c", since=3)


def node(registration: LiveNode | None = A, name: str = "a", run: int = 1) -> Local:
    """A node that is registered, has its fence lifted and its topology installed."""
    local = Local(NodeId(name), Incarnation(f"{name}-run{run}"))
    if registration is not None:
        local.registered(registration)
        local.contact.since_ms = -POLICY.return_hold_ms
        local.fence_lifted = True
    return local


def serving(local: Local, *partitions: int, epoch: int = 1) -> Local:
    """It serves these alone, as a record of ``record`` says."""
    own_id = copy(local.node, run=int(local.incarnation[-1])).copy_id
    for partition in partitions:
        local.opened(PartitionId(partition), Epoch(epoch), own_id)
        local.requires(PartitionId(partition), Required((), 1))
    return local


def followed_by(
    local: Local, partition: int, *nodes: str, epoch: int = 1, lag_ms: int = 0, acked: int = 7
) -> Local:
    """What it serves is followed by these, who are in sync and required."""
    followers = tuple(Follower(it, copy(it).copy_id, acked, lag_ms, True) for it in nodes)
    own_id = local.copies[PartitionId(partition)]
    local.observe(
        [PartitionReplication(partition, "primary", epoch, 7, epoch, own_id, followers, 7)]
    )
    required = Required(tuple(copy(it) for it in nodes), 1 + len(nodes))
    local.requires(PartitionId(partition), required)
    return local


def told(local: Local, seen: ClusterView, now_ms: int = 0) -> list[str]:
    """What the node does, as it would log it."""
    local.saw(seen, now_ms, POLICY.mass_loss_hold_ms)
    return [str(action) for action in decide(seen, local, now_ms, POLICY)]


def drew(local: Local, *partitions: int) -> Local:
    """It wrote a record that gives it the partition, to start empty."""
    for partition in partitions:
        local.drew(PartitionId(partition), copy(local.node).copy_id)
    return local


def up_to_date(local: Local, seen: ClusterView) -> Local:
    local.installed = seen.revision
    return local


# Starting.


def test_nothing_is_decided_before_the_cluster_is_created() -> None:
    assert told(node(), view(config=None)) == []


def test_a_new_node_lifts_its_fence_once_it_sees_itself() -> None:
    local = Local(NodeId("a"), Incarnation("a-run1"))
    seen = view(nodes=(A,))
    assert told(local, seen) == ["install topology of revision 10"]
    local.registered(A)
    assert told(up_to_date(local, seen), seen) == [
        "lift the fence: revision 10 shows this node and what it owns"
    ]


def test_a_planned_partition_is_taken_by_the_first_of_its_list_at_once() -> None:
    seen = view(nodes=(A, B), records=(record(0, preference="a b"), record(1, preference="b a")))
    assert told(up_to_date(node(), seen), seen) == [
        "take over partition 0 at epoch 1, empty: nobody has had it yet",
        "look again at 250 ms: 1 other nodes come first for partition 1",
    ]


def test_a_partition_that_was_won_is_opened_before_the_view_shows_it() -> None:
    seen = view(nodes=(A,), records=(record(0, preference="a"),))
    local = drew(up_to_date(node(), seen), 0)
    local.began_taking(PartitionId(0))
    local.wrote(held(record(0, "a", preference="a"), at=11))
    local.ended_taking(PartitionId(0), None)
    assert told(local, seen) == [
        "open partition 0 at epoch 1, empty",
        "partition 0 now waits for nobody else to acknowledge",
    ]


def test_a_partition_is_opened_before_the_topology_names_this_node() -> None:
    assert told(drew(node(), 0), view(nodes=(A,), records=(record(0, "a"),))) == [
        "open partition 0 at epoch 1, empty",
        "partition 0 now waits for nobody else to acknowledge",
        "install topology of revision 10",
    ]


def test_a_proxy_takes_nothing() -> None:
    proxy = live("a", weight=0)
    seen = view(nodes=(proxy,), records=(record(0, preference="a"),))
    assert told(up_to_date(node(proxy), seen), seen) == []


# Failure.


def test_a_dead_primary_is_followed_by_the_next_on_the_list() -> None:
    dead_b = record(0, "b", epoch=4, preference="b a c")
    seen = view(nodes=(A, C), records=(dead_b,))
    assert told(up_to_date(node(), seen), seen) == [
        "take over partition 0 at epoch 5, empty: its primary b is gone"
    ]
    assert told(up_to_date(node(C, "c"), seen), seen, now_ms=100) == [
        "look again at 350 ms: 1 other nodes come first for partition 0"
    ]


def test_who_comes_later_acts_when_the_ones_before_did_not() -> None:
    seen = view(nodes=(A, C), records=(record(0, "b", preference="b a c"),))
    local = up_to_date(node(C, "c"), seen)
    told(local, seen, now_ms=100)
    assert told(local, seen, now_ms=349) == [
        "look again at 350 ms: 1 other nodes come first for partition 0"
    ]
    assert told(local, seen, now_ms=350) == [
        "take over partition 0 at epoch 2, empty: its primary b is gone"
    ]


def test_a_restarted_node_takes_back_what_it_had() -> None:
    again = live("a", run=2, since=9)
    seen = view(nodes=(again, B), records=(record(0, "a", epoch=3, preference="a b"),))
    local = up_to_date(node(again, run=2), seen)
    assert told(local, seen) == [
        "take over partition 0 at epoch 4, empty: its primary a has restarted"
    ]


def test_the_key_of_another_incarnation_is_what_the_take_over_compares() -> None:
    b_again = live("b", run=2, since=9)
    seen = view(nodes=(A, b_again), records=(record(0, "b", preference="a b"),))
    local = up_to_date(node(), seen)
    local.saw(seen, 0, POLICY.mass_loss_hold_ms)
    (action,) = decide(seen, local, 0, POLICY)
    assert isinstance(action, TakeOver)
    assert action.previous == b_again
    assert action.own == A


def test_no_more_take_overs_are_started_than_allowed_at_a_time() -> None:
    records = tuple(record(number, preference="a") for number in range(6))
    seen = view(nodes=(A,), records=records)
    local = up_to_date(node(), seen)
    local.began_taking(PartitionId(0))
    assert len(told(local, seen)) == 3


def test_a_take_over_that_failed_is_tried_again_later() -> None:
    seen = view(nodes=(A,), records=(record(0, preference="a"),))
    local = up_to_date(node(), seen)
    local.began_taking(PartitionId(0))
    local.ended_taking(PartitionId(0), retry_at_ms=700)
    assert told(local, seen, now_ms=500) == [
        "look again at 700 ms: 0 other nodes come first for partition 0"
    ]
    assert told(local, seen, now_ms=700) == [
        "take over partition 0 at epoch 1, empty: nobody has had it yet"
    ]


def test_a_view_older_than_what_this_node_found_is_not_acted_on() -> None:
    seen = view(nodes=(A,), records=(record(0, preference="a"),))
    local = up_to_date(node(), seen)
    local.wrote(held(record(0, "c", preference="a"), at=11))
    assert told(local, seen) == []


# Losing.


def test_what_another_took_is_closed_before_the_topology_names_it() -> None:
    seen = view(nodes=(A, B), records=(record(0, "b", epoch=2),))
    assert told(serving(node(), 0), seen) == [
        "close partition 0: its record names b at epoch 2",
        "install topology of revision 10",
    ]


def test_what_was_given_back_is_not_served_by_the_copy_that_stayed_behind() -> None:
    seen = view(nodes=(A, B), records=(record(0, "a", epoch=3, in_sync="b"),))
    assert told(serving(node(), 0), seen) == [
        "close partition 0: its record names a at epoch 3",
        "install topology of revision 10",
    ]
    assert told(up_to_date(node(), seen), seen) == [
        "hand partition 0 over to b at epoch 4: "
        "this node's copy of it is not the one that its record names"
    ]


def test_an_epoch_is_served_once() -> None:
    local = drew(serving(node(), 0), 0)
    local.closed(PartitionId(0))
    seen = view(nodes=(A,), records=(record(0, "a"),))
    assert told(up_to_date(local, seen), seen) == [
        "take over partition 0 at epoch 2, empty: this node's copy of it is lost"
    ]


def test_a_node_that_lost_its_lease_keeps_its_data_and_resumes_what_nobody_took() -> None:
    local = serving(node(), 0, 1)
    local.lost_registration()
    away = view(nodes=(B,), records=(record(0, "a"), record(1, "a")), revision=10)
    assert told(local, away) == ["install topology of revision 10"]

    again = live("a", since=14)
    local.registered(again)
    back = view(
        nodes=(again, B),
        records=(record(0, "b", epoch=2), record(1, "a")),
        revision=14,
        changed_at={0: 12},
    )
    assert told(up_to_date(local, away), back) == [
        "close partition 0: its record names b at epoch 2",
        "install topology of revision 14",
        "lift the fence: revision 14 shows this node and what it owns",
    ]


def test_the_fence_stays_while_the_view_is_older_than_the_registration() -> None:
    local = node(None)
    local.registered(live("a", since=14))
    seen = view(nodes=(live("a", since=1),), records=(record(0, "a"),), revision=13)
    assert told(local, seen) == ["install topology of revision 13"]


def test_a_key_that_vanished_is_written_anew() -> None:
    seen = view(nodes=(B,), revision=10)
    assert told(up_to_date(node(), seen), seen) == [
        "register again: its key is not there at revision 10"
    ]


# Mass loss.


def test_when_most_nodes_vanish_at_once_their_partitions_wait_for_them() -> None:
    records = (record(0, "b", preference="a b"), record(1, "c", preference="a c"))
    before = view(nodes=(A, B, C), records=records)
    local = up_to_date(node(), before)
    told(local, before)
    after = without(before, "b", "c", revision=11)
    assert told(local, after, now_ms=1_000) == [
        "install topology of revision 11",
        "look again at 7000 ms: most nodes vanished at once; partition 0 may be resumed",
    ]
    up_to_date(local, after)
    assert told(local, after, now_ms=7_000) == [
        "take over partition 0 at epoch 2, empty: its primary b is gone",
        "take over partition 1 at epoch 2, empty: its primary c is gone",
    ]


def test_who_follows_waits_its_turn_after_the_hold_too() -> None:
    seen = view(nodes=(A, C), records=(record(0, "b", preference="b a c"),), members=())
    before = view(
        nodes=(A, B, C, live("d"), live("e")),
        records=tuple(held_.record for held_ in seen.partitions.values()),
    )
    local = up_to_date(node(C, "c"), before)
    told(local, before)
    told(local, without(before, "b", "d", "e", revision=11), now_ms=0)
    later = without(before, "b", "d", "e", revision=11)
    told(local, later, now_ms=5_999)
    assert told(up_to_date(local, later), later, now_ms=6_000) == [
        "look again at 6249 ms: 1 other nodes come first for partition 0"
    ]


def test_who_vanished_with_most_others_is_waited_for_though_they_are_back() -> None:
    records = (record(0, "b", preference="a b"),)
    before = view(nodes=(A, B, C), records=records)
    local = up_to_date(node(), before)
    told(local, before)
    told(local, without(before, "b", "c", revision=11), now_ms=1_000)
    c_is_back = without(before, "b", revision=12)
    assert told(up_to_date(local, c_is_back), c_is_back, now_ms=1_100) == [
        "look again at 7000 ms: most nodes vanished at once; partition 0 may be resumed"
    ]
    b_is_back = view(nodes=(A, B, C), records=records, revision=13)
    assert told(up_to_date(local, b_is_back), b_is_back, now_ms=1_200) == [
        "follow b for partition 0 at epoch 1"
    ]


def test_the_death_of_one_node_is_never_held_back() -> None:
    before = view(nodes=(A, B), records=(record(0, "b", preference="b a"),))
    local = up_to_date(node(), before)
    told(local, before)
    after = without(before, "b", revision=11)
    assert told(up_to_date(local, after), after, now_ms=5) == [
        "take over partition 0 at epoch 2, empty: its primary b is gone"
    ]


def test_a_node_back_in_a_new_incarnation_is_not_waited_for() -> None:
    records = (record(0, "b", preference="b a"), record(1, "c", preference="a"))
    before = view(nodes=(A, B, C), records=records)
    local = up_to_date(node(), before)
    told(local, before)
    after = view(nodes=(A, live("b", run=2, since=11)), records=records, revision=11)
    assert told(up_to_date(local, after), after, now_ms=50) == [
        "take over partition 1 at epoch 2, empty: its primary c is gone",
        "look again at 300 ms: 1 other nodes come first for partition 0",
    ]


def test_members_that_are_not_there_count_for_a_node_that_has_just_come() -> None:
    members = (member("a"), member("b"), member("c"))
    seen = view(nodes=(A,), records=(record(0, "b", preference="a b"),), members=members)
    assert told(up_to_date(node(), seen), seen) == [
        "look again at 6000 ms: most nodes vanished at once; partition 0 may be resumed"
    ]
    gone = view(
        nodes=(A,),
        records=(record(0, "b", preference="a b"),),
        members=(member("a"), member("b", MemberState.LEFT), member("c", MemberState.LEFT)),
    )
    assert told(up_to_date(node(), gone), gone) == [
        "take over partition 0 at epoch 2, empty: its primary b is gone"
    ]


# Handing over.


def test_a_wanted_hand_over_is_done_by_the_primary() -> None:
    seen = view(nodes=(A, B), records=(record(0, "a", epoch=3, handoff_to="b", in_sync="b"),))
    local = followed_by(up_to_date(serving(node(), 0, epoch=3), seen), 0, "b", epoch=3)
    assert told(local, seen) == ["hand partition 0 over to b at epoch 4: its record asks for it"]


def test_a_partition_waits_for_its_target_to_be_in_sync_and_near() -> None:
    asked = view(nodes=(A, B), records=(record(0, "a", handoff_to="b"),))
    assert told(up_to_date(serving(node(), 0), asked), asked) == []
    seen = view(nodes=(A, B), records=(record(0, "a", handoff_to="b", in_sync="b"),))
    local = followed_by(up_to_date(serving(node(), 0), seen), 0, "b", lag_ms=101)
    assert told(local, seen) == []


def test_nothing_is_handed_to_a_node_that_is_not_there() -> None:
    seen = view(nodes=(A,), records=(record(0, "a", handoff_to="b"),))
    assert told(up_to_date(serving(node(), 0), seen), seen) == []


def test_a_frozen_partition_is_followed_at_its_new_owner_at_once() -> None:
    handed = record(0, "b", epoch=2)
    before = view(nodes=(A, B), records=(record(0, "a", handoff_to="b"),))
    local = up_to_date(serving(node(), 0), before)
    local.froze(PartitionId(0))
    local.wrote(held(handed, at=11))
    assert told(local, before) == ["follow b for partition 0 at epoch 2"]


def test_a_frozen_partition_is_kept_when_its_new_owner_is_gone() -> None:
    handed = record(0, "b", epoch=2)
    before = view(nodes=(A,), records=(record(0, "a", handoff_to="b"),))
    local = up_to_date(serving(node(), 0), before)
    local.froze(PartitionId(0))
    local.wrote(held(handed, at=11))
    assert told(local, before) == ["keep the copy of partition 0: its primary b is gone"]


def test_a_frozen_partition_is_thawed_when_its_hand_over_came_to_nothing() -> None:
    seen = view(nodes=(A,), records=(record(0, "a", handoff_to="b"),))
    local = up_to_date(serving(node(), 0), seen)
    local.began_handing(PartitionId(0))
    local.froze(PartitionId(0))
    assert told(local, seen) == []
    local.ended_handing(PartitionId(0), retry_at_ms=900)
    assert told(local, seen) == ["thaw partition 0: its record still gives it to this node"]


def test_a_frozen_partition_stays_frozen_while_the_node_is_not_registered() -> None:
    seen = view(nodes=(), records=(record(0, "a"),))
    local = up_to_date(serving(node(), 0), seen)
    local.froze(PartitionId(0))
    local.lost_registration()
    assert told(local, seen) == []


def test_a_node_that_stops_hands_over_to_the_next_on_the_list_and_takes_nothing() -> None:
    records = (record(0, "a", preference="a c b", in_sync="b c"), record(1, preference="a"))
    seen = view(nodes=(A, B, C), records=records)
    local = followed_by(up_to_date(serving(node(), 0), seen), 0, "b", "c")
    local.stopping = True
    local.saw(seen, 0, POLICY.mass_loss_hold_ms)
    (action,) = decide(seen, local, 0, POLICY)
    assert str(action) == "hand partition 0 over to c at epoch 2: this node stops"
    assert isinstance(action, HandOver)
    assert action.others == (copy("b"),), "the copy that goes is waited for no more"


def test_a_node_that_stops_asks_the_next_to_follow_where_nobody_does() -> None:
    seen = view(nodes=(A, B, C), records=(record(0, "a", preference="a c b"),))
    local = up_to_date(serving(node(), 0), seen)
    local.stopping = True
    assert told(local, seen) == ["partition 0: c shall follow it, because this node stops"]
    asked = view(nodes=(A, B, C), records=(record(0, "a", preference="a c b", handoff_to="c"),))
    assert told(up_to_date(local, asked), asked) == []


def test_the_last_node_that_stops_has_nobody_to_hand_over_to() -> None:
    seen = view(nodes=(A, live("p", weight=0)), records=(record(0, "a", preference="a"),))
    local = up_to_date(serving(node(), 0), seen)
    local.stopping = True
    assert told(local, seen) == []


def leaving(node: LiveNode) -> LiveNode:
    return replace(node, registration=replace(node.registration, leaving=True))


def test_nodes_that_stop_together_do_not_hand_over_to_each_other() -> None:
    records = (record(0, "a", preference="a b c", in_sync="b c"),)
    seen = view(nodes=(A, leaving(B), C), records=records)
    local = followed_by(up_to_date(serving(node(), 0), seen), 0, "b", "c")
    local.stopping = True
    assert told(local, seen) == ["hand partition 0 over to c at epoch 2: this node stops"]
    alone = view(nodes=(A, leaving(B)), records=(record(0, "a", preference="a b"),))
    last = up_to_date(serving(node(), 0), alone)
    last.stopping = True
    assert told(last, alone) == []


def test_a_vacancy_is_not_left_to_a_node_that_stops() -> None:
    seen = view(nodes=(A, leaving(B)), records=(record(0, preference="b a"),))
    assert len(told(up_to_date(node(), seen), seen)) == 1


# Readiness.


def test_a_node_is_ready_when_it_serves_all_that_the_view_gives_it() -> None:
    seen = view(nodes=(A,), records=(record(0, "a"),))
    local = node()
    assert not is_ready(seen, local, lease_stands=True)
    serving(local, 0)
    assert not is_ready(seen, local, lease_stands=True), "no topology is installed"
    up_to_date(local, seen)
    assert is_ready(seen, local, lease_stands=True)
    assert not is_ready(seen, local, lease_stands=False)
    local.fence_lifted = False
    assert not is_ready(seen, local, lease_stands=True)
    local.fence_lifted = True
    local.stopping = True
    assert not is_ready(seen, local, lease_stands=True)


def test_a_node_that_the_view_does_not_show_is_not_ready() -> None:
    seen = view(nodes=(live("a", since=7),))
    assert not is_ready(seen, up_to_date(node(), seen), lease_stands=True)
    assert seen.revision == Revision(10)
