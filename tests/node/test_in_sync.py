"""Who is in sync, as stories: what a primary is told of its followers, and what it does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import CONFIG, copy, live, member, record, view
from shoal_coordinator.registry.records import Copy, CopyId, Epoch, Incarnation, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.actions import Action, ChangeAsPrimary
from shoal_node.attention import Attention
from shoal_node.decide import decide
from shoal_node.local import Joining, Local, Required
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication

POLICY = Policy()
P = PartitionId(0)
A, B, C = live("a", since=1), live("b", since=2), live("c", since=3)
TWO_COPIES = replace(CONFIG, replica_count=1)


def seen(
    in_sync: str = "", nodes: tuple[LiveNode, ...] = (A, B, C), preference: str = "a b"
) -> ClusterView:
    of = record(0, "a", preference=preference, in_sync=in_sync)
    return view(nodes=nodes, records=(of,), config=TWO_COPIES)


def primary(of: ClusterView) -> Local:
    """It serves partition 0, and waits for those who are in sync."""
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.contact.since_ms = -POLICY.return_hold_ms
    local.fence_lifted = True
    local.installed = of.revision
    local.opened(P, Epoch(1), copy("a").copy_id)
    in_sync = of.partitions[P].record.in_sync
    others = tuple(it for it in in_sync if it.node != "a")
    local.requires(P, Required(others, len(in_sync)))
    return local


def follower(of: Copy, *, acked: int = 9, lag_ms: int = 0, streams: bool = True) -> Follower:
    return Follower(of.node, of.copy_id, acked, lag_ms, streams)


def told(
    local: Local,
    of: ClusterView,
    *followers: Follower,
    now_ms: int = 0,
    confirmed_ms: int | None = None,
) -> list[str]:
    """What the primary does when it hears of these followers; its head is at 9.

    ``confirmed_ms``: when the newest confirmed keepalive was sent; None: just now.
    """
    decided_on = decided(local, of, *followers, now_ms=now_ms, confirmed_ms=confirmed_ms)
    return [str(action) for action in decided_on]


def decided(
    local: Local,
    of: ClusterView,
    *followers: Follower,
    now_ms: int = 0,
    confirmed_ms: int | None = None,
) -> tuple[Action, ...]:
    sent_ms = now_ms if confirmed_ms is None else confirmed_ms
    local.contact.confirmed_ms = sent_ms
    mine = copy("a").copy_id
    local.observe([PartitionReplication(0, "primary", 1, 9, 1, mine, followers, 9)])
    local.saw(of, now_ms, POLICY.mass_loss_hold_ms)
    return decide(of, local, now_ms, POLICY)


def test_a_copy_that_caught_up_is_waited_for_first_and_then_named() -> None:
    alone = seen()
    local = primary(alone)
    assert told(local, alone, follower(copy("b"))) == ["partition 0 now waits for b to acknowledge"]
    local.requires(P, Required((copy("b"),), 1), Joining(copy("b"), 11, 0))
    assert told(local, alone, follower(copy("b"), acked=10)) == []
    assert told(local, alone, follower(copy("b"), acked=11)) == [
        "partition 0: b is in sync, it has caught up"
    ]
    local.began_changing(P)
    assert told(local, alone, follower(copy("b"), acked=11)) == []


def test_a_copy_that_does_not_join_in_time_is_waited_for_no_more() -> None:
    alone = seen()
    local = primary(alone)
    local.requires(P, Required((copy("b"),), 1), Joining(copy("b"), 11, 0))
    behind = follower(copy("b"), acked=10)
    assert told(local, alone, behind, now_ms=POLICY.join_limit_ms - 1) == []
    again_ms = POLICY.join_limit_ms + POLICY.join_pause_ms
    assert told(local, alone, behind, now_ms=POLICY.join_limit_ms) == [
        "partition 0 now waits for nobody else to acknowledge",
        f"look again at {again_ms} ms: it is not settled who is in sync",
    ]
    local.requires(P, Required((), 1), None, now_ms=POLICY.join_limit_ms)
    caught_up = follower(copy("b"))
    assert told(local, alone, caught_up, now_ms=again_ms - 1) == [
        f"look again at {again_ms} ms: it is not settled who is in sync"
    ]
    assert told(local, alone, caught_up, now_ms=again_ms) == [
        "partition 0 now waits for b to acknowledge"
    ]


def test_who_lags_does_not_stream_or_is_not_wanted_does_not_join() -> None:
    alone = seen()
    for of in (
        follower(copy("b"), acked=3, lag_ms=101),
        follower(copy("b"), streams=False),
        follower(copy("c")),
        follower(copy("b", run=2)),
    ):
        assert told(primary(alone), alone, of) == []


def test_a_laggard_leaves_the_record_before_it_is_waited_for_no_more() -> None:
    both = seen("b")
    local = primary(both)
    assert told(local, both, follower(copy("b"), lag_ms=1_000)) == []
    assert told(local, both, follower(copy("b"), lag_ms=1_001)) == [
        "partition 0: b is in sync no longer, it lags 1001 ms"
    ]
    assert local.required[P] == Required((copy("b"),), 2)
    alone = seen()
    assert told(local, alone, follower(copy("b"), acked=3, lag_ms=1_001)) == [
        "partition 0 now waits for nobody else to acknowledge"
    ]


@given(
    lag_ms=st.integers(0, 5_000),
    now_ms=st.integers(0, 5_000),
    unconfirmed_ms=st.integers(0, 5_000),
)
def test_nobody_lags_for_a_primary_that_etcd_has_not_confirmed_since(
    lag_ms: int, now_ms: int, unconfirmed_ms: int
) -> None:
    """It may be the primary that is deaf: only a keepalive sent after that tells."""
    both = seen("b")
    of = follower(copy("b"), lag_ms=lag_ms)
    sent_ms = now_ms - unconfirmed_ms
    steps = told(primary(both), both, of, now_ms=now_ms, confirmed_ms=sent_ms)
    oldest_ms = now_ms - lag_ms
    was_late = sent_ms - oldest_ms > POLICY.lag_limit_ms
    is_late = lag_ms > POLICY.lag_limit_ms
    out = [f"partition 0: b is in sync no longer, it lags {lag_ms} ms"]
    again = [f"look again at {now_ms + 250} ms: it is not settled who is in sync"]
    assert steps == (out if was_late else again if is_late else [])


def test_a_copy_that_does_not_follow_a_deaf_primary_stays() -> None:
    both = seen("b")
    local = primary(both)
    late_ms = POLICY.lag_limit_ms + 1
    assert told(local, both, now_ms=3 * late_ms, confirmed_ms=POLICY.lag_limit_ms) == []
    assert told(local, both, now_ms=3 * late_ms, confirmed_ms=late_ms) == [
        "partition 0: b is in sync no longer, it does not follow"
    ]


def test_who_is_just_back_drops_nobody_that_still_follows_and_has_no_key_yet() -> None:
    both = seen("b", nodes=(A, C))
    local = primary(both)
    local.contact.since_ms = 0
    last_ms = POLICY.return_hold_ms - 1
    assert told(local, both, follower(copy("b")), now_ms=last_ms) == []
    late = follower(copy("b"), lag_ms=1_001)
    assert told(local, both, late, now_ms=last_ms) == [
        "partition 0: b is in sync no longer, it lags 1001 ms"
    ]
    assert told(local, both, follower(copy("b")), now_ms=last_ms + 1) == [
        "partition 0: b is in sync no longer, its node is gone"
    ]


def test_a_copy_whose_node_is_gone_stops_or_restarted_leaves() -> None:
    for nodes, why in (
        ((A, C), "its node is gone"),
        ((A, live("b", run=2, since=7), C), "its node has restarted"),
        ((A, replace(B, registration=replace(B.registration, leaving=True)), C), "its node stops"),
    ):
        both = seen("b", nodes=nodes)
        assert told(primary(both), both, follower(copy("b"))) == [
            f"partition 0: b is in sync no longer, {why}"
        ]


def test_a_copy_that_began_anew_leaves_and_may_join_again() -> None:
    both = seen("b")
    anew = Copy(NodeId("b"), CopyId("run1-b2"))
    assert told(primary(both), both, follower(anew)) == [
        "partition 0: b is in sync no longer, its copy began anew"
    ]


def test_a_copy_that_never_came_to_follow_leaves_after_a_while() -> None:
    both = seen("b")
    local = primary(both)
    assert told(local, both, now_ms=POLICY.lag_limit_ms) == []
    assert told(local, both, now_ms=POLICY.lag_limit_ms + 1) == [
        "partition 0: b is in sync no longer, it does not follow"
    ]


def test_after_a_mass_loss_nobody_is_dropped_who_may_be_back() -> None:
    both = seen("b")
    local = primary(both)
    told(local, both, follower(copy("b")))
    alone = replace(both, nodes={NodeId("a"): A}, revision=type(both.revision)(11))
    local.installed = alone.revision
    assert told(local, alone, follower(copy("b"), streams=False)) == []
    later = told(local, alone, follower(copy("b"), streams=False), now_ms=6_000)
    assert later == ["partition 0: b is in sync no longer, its node is gone"]


def test_a_copy_that_nobody_wants_leaves_once_the_wanted_ones_are_in_sync() -> None:
    moving = seen("c", preference="a b")
    assert told(primary(moving), moving, follower(copy("c"))) == []
    moved = seen("b c", preference="a b")
    assert told(primary(moved), moved, follower(copy("b")), follower(copy("c"))) == [
        "partition 0: c is in sync no longer, nobody wants it there"
    ]


def test_without_its_registration_in_the_view_a_primary_requires_nothing_new() -> None:
    """What is on its way may have won: until that is certain, its copies stay required."""
    alone = seen(nodes=(B, C))
    local = primary(alone)
    local.requires(P, Required((copy("b"),), 1))
    local.lost_registration()
    assert told(local, alone, follower(copy("b"))) == []


def test_no_more_changes_are_begun_than_allowed_at_a_time() -> None:
    of = view(
        nodes=(A,),
        records=tuple(record(number, "a", in_sync="b") for number in range(30)),
        members=(member("a"), member("b")),
        config=TWO_COPIES,
    )
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.contact.since_ms = -POLICY.return_hold_ms
    local.fence_lifted, local.installed = True, of.revision
    for number in range(30):
        local.opened(PartitionId(number), Epoch(1), copy("a").copy_id)
        local.requires(PartitionId(number), Required((copy("b"),), 2))
    local.saw(of, 0, POLICY.mass_loss_hold_ms)
    assert len(decide(of, local, 0, POLICY)) == POLICY.changes_at_once


def test_the_write_that_names_the_last_wanted_copy_leaves_out_whose_place_it_takes() -> None:
    moving = seen("c", preference="a b")
    local = primary(moving)
    local.requires(P, Required((copy("c"), copy("b")), 2), Joining(copy("b"), 9, 0))
    (change,) = decided(local, moving, follower(copy("b")), follower(copy("c")))
    assert str(change) == (
        "partition 0: b is in sync, it has caught up; c is in sync no longer, nobody wants it there"
    )
    assert isinstance(change, ChangeAsPrimary)
    assert change.record.in_sync == (copy("a"), copy("b"))


def test_who_is_wanted_no_more_stays_while_another_is_missing() -> None:
    three = replace(CONFIG, replica_count=2)
    of = record(0, "a", preference="a b d", in_sync="c")
    moving = view(nodes=(A, B, C, live("d", since=4)), records=(of,), config=three)
    local = primary(moving)
    local.requires(P, Required((copy("c"), copy("b")), 2), Joining(copy("b"), 9, 0))
    assert told(local, moving, follower(copy("b")), follower(copy("c"))) == [
        "partition 0: b is in sync, it has caught up"
    ]


def test_the_copies_of_a_node_that_stops_leave_once_it_has_handed_on_what_it_serves() -> None:
    stops = replace(B, registration=replace(B.registration, leaving=True))
    own, other = record(0, "a", preference="a b", in_sync="b"), record(1, "b", preference="b c")
    before = view(nodes=(A, stops, C), records=(own, other), config=TWO_COPIES)
    local = primary(before)
    assert told(local, before, follower(copy("b"))) == []
    attention = Attention()
    attention.turned(before, local, None, 0, POLICY)
    assert attention.unsettled == set(), "nothing is looked at again and again meanwhile"
    lags = follower(copy("b"), lag_ms=POLICY.lag_limit_ms + 1)
    assert told(local, before, lags) == ["partition 0: b is in sync no longer, it lags 1001 ms"]
    handed = record(1, "c", epoch=2, preference="b c")
    after = view(nodes=(A, stops, C), records=(own, handed), config=TWO_COPIES)
    assert told(local, after, follower(copy("b"))) == [
        "partition 0: b is in sync no longer, its node stops"
    ]


def test_who_was_restarted_since_hands_nothing_on() -> None:
    again = live("b", run=2, since=8)
    stops = replace(again, registration=replace(again.registration, leaving=True))
    records = (record(0, "a", preference="a b"), record(1, "b", preference="b c"))
    seen_last = view(nodes=(A, stops, C), records=records, config=TWO_COPIES)
    local = primary(seen_last)
    local.saw(seen_last, 0, POLICY.mass_loss_hold_ms)
    assert local.handing_on == frozenset()
