"""Who takes over with data, as stories; ``test_decide`` has those without any."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import CONFIG, copy, live, record, view
from shoal_coordinator.registry.records import (
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    PartitionId,
    Unclean,
)
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.actions import TakeOver
from shoal_node.decide import decide
from shoal_node.hearing import PeerCopy, Position
from shoal_node.local import Following, Local
from shoal_node.policy import Policy
from shoal_node.replication_status import PartitionReplication

POLICY = Policy()
P = PartitionId(0)
A, B, C, D = (live(name, since=since) for since, name in enumerate("abcd", start=1))
WITH_DATA = "take over partition 0 at epoch 5, with its data: its primary a is gone"
EMPTY = "take over partition 0 at epoch 5, empty: its primary a is gone"


def vacant(
    in_sync: str = "b", nodes: tuple[LiveNode, ...] = (B, C, D), unclean: Unclean = Unclean.CLEAR
) -> ClusterView:
    """Partition 0 was served by a, whose key is gone."""
    of = record(0, "a", epoch=4, preference="a b c d", in_sync=in_sync)
    config = replace(CONFIG, replica_count=2, unclean=unclean)
    return view(nodes=nodes, records=(of,), config=config)


def node(name: str, of: ClusterView, *, seq: int | None = 9, copy_id: str | None = None) -> Local:
    """A node that follows a with a copy at this sequence; None: it has none."""
    local = Local(NodeId(name), Incarnation(f"{name}-run1"))
    local.registered(of.nodes[NodeId(name)])
    local.contact.since_ms = -POLICY.return_hold_ms
    local.fence_lifted, local.installed = True, of.revision
    if seq is not None:
        held_id = CopyId(copy_id or copy(name).copy_id)
        local.followed(P, Following(NodeId("a"), "a:7400", Epoch(4)), held_id)
        local.observe([PartitionReplication(0, "follower", 4, seq, 4, held_id)])
    return local


def told(local: Local, of: ClusterView, now_ms: int = 0) -> list[str]:
    local.saw(of, now_ms, POLICY.mass_loss_hold_ms)
    return [str(action) for action in decide(of, local, now_ms, POLICY)]


def heard(local: Local, name: str, seq: int | None, *, copy_id: str = "", at_ms: int = 0) -> None:
    """A peer answers; None: it does not."""
    mine = PeerCopy(P, CopyId(copy_id or copy(name).copy_id), Position(4, seq or 0))
    copies = None if seq is None else {P: mine}
    local.hearing.heard(NodeId(name), {P: Epoch(4)}, copies, at_ms)


def test_the_only_copy_in_sync_that_is_left_takes_over_at_once() -> None:
    of = vacant("b")
    local = node("b", of)
    assert told(local, of) == [WITH_DATA]
    (action,) = decide(of, local, 0, POLICY)
    assert isinstance(action, TakeOver)
    assert (action.copy_id, action.others) == (copy("b").copy_id, ())


def test_who_has_lost_its_own_lease_waits_for_that_of_the_primary_to_be_over() -> None:
    """etcd may have dropped both before their time, and the view show only who is not back."""
    of = vacant("b")
    local = node("b", of)
    local.lost_registration()
    local.registered(of.nodes[NodeId("b")], now_ms=7_000)
    local.fence_lifted = True
    until_ms = 7_000 + POLICY.return_hold_ms
    why = "the primary of partition 0 may not know yet that its lease is gone"
    assert told(local, of, now_ms=7_001) == [f"look again at {until_ms} ms: {why}"]
    assert told(local, of, now_ms=until_ms) == [WITH_DATA]
    # Where its process has begun anew, the one before is over.
    back = replace(of, nodes={**of.nodes, NodeId("a"): live("a", since=9, run=2)})
    assert told(node_again(local, back), back, now_ms=7_001) == [
        WITH_DATA.replace("is gone", "has restarted")
    ]


def node_again(local: Local, of: ClusterView) -> Local:
    again = node("b", of)
    again.regained_ms = local.regained_ms
    return again


def test_of_several_copies_the_furthest_goes_first() -> None:
    of = vacant("b c")
    local = node("b", of, seq=8)
    assert told(local, of) == ["ask c how far its copies of 1 vacant partitions are"]
    local.hearing.began_asking(NodeId("c"), [P])
    assert told(local, of) == []
    heard(local, "c", 9)
    assert told(local, of) == [
        "look again at 100 ms: 1 other copies in sync come first for partition 0"
    ]
    assert told(local, of, now_ms=100) == [WITH_DATA]
    further = node("c", of, seq=9)
    told(further, of)
    heard(further, "b", 8)
    assert told(further, of) == [WITH_DATA]


def test_who_does_not_answer_comes_last() -> None:
    of = vacant("b c")
    local = node("c", of)
    told(local, of)
    heard(local, "b", None)
    assert told(local, of) == [WITH_DATA]


def test_copies_that_are_equally_far_go_by_preference() -> None:
    of = vacant("b c")
    local = node("c", of)
    told(local, of)
    heard(local, "b", 9)
    assert told(local, of) == [
        "look again at 100 ms: 1 other copies in sync come first for partition 0"
    ]


def test_the_copies_that_are_left_stay_in_sync_beside_the_one_that_takes_over() -> None:
    of = vacant("b c d/2")
    local = node("b", of)
    told(local, of)
    heard(local, "c", 9)
    local.saw(of, 0, POLICY.mass_loss_hold_ms)
    (action,) = decide(of, local, 0, POLICY)
    assert isinstance(action, TakeOver)
    assert action.others == (copy("c"),), "d's copy was of another run, and is lost"


def test_a_copy_outside_the_set_waits_and_asks_before_it_takes_over_empty() -> None:
    of = vacant("b")
    local = node("c", of)
    assert told(local, of) == ["look again at 200 ms: 1 copies of partition 0 in sync come first"]
    assert told(local, of, now_ms=200) == ["ask b how far its copies of 1 vacant partitions are"]
    heard(local, "b", 9, at_ms=200)
    assert told(local, of, now_ms=200) == [
        "look again at 1200 ms: b has a copy of partition 0 in sync, or does not answer"
    ]
    assert told(local, of, now_ms=1_200) == ["ask b how far its copies of 1 vacant partitions are"]


def test_a_copy_that_its_node_has_lost_is_not_waited_for() -> None:
    of = vacant("b")
    local = node("c", of, seq=None)
    told(local, of)
    heard(local, "b", 0, copy_id="run1-anew", at_ms=2_000)
    assert told(local, of, now_ms=2_000) == [EMPTY]


def test_who_is_just_back_passes_over_nobody_whose_key_is_missing() -> None:
    """Where etcd was away, others come back a little later, with their data."""
    of = vacant("b", nodes=(C, D))
    for since_ms in (0, 70_000):
        local = node("c", of)
        told(local, of, now_ms=since_ms)
        local.contact.began(since_ms)
        back_ms = since_ms + POLICY.return_hold_ms
        assert told(local, of, now_ms=back_ms - 1) == [
            f"look again at {back_ms} ms: this node is just back; a copy of partition 0 may be, too"
        ]
        told(local, of, now_ms=back_ms)
        assert EMPTY in told(local, of, now_ms=back_ms + 2 * POLICY.follow_delay_ms)


def test_who_is_just_back_knows_at_sight_that_copies_of_earlier_runs_are_lost() -> None:
    again = tuple(live(name, run=2, since=7) for name in "ab")
    of = vacant("b", nodes=(*again, C))
    local = node("c", of, seq=None)
    local.contact.began(0)
    told(local, of)
    restarted = EMPTY.replace("is gone", "has restarted")
    assert told(local, of, now_ms=2 * POLICY.follow_delay_ms) == [restarted]


def test_who_is_just_back_takes_over_at_once_with_a_copy_in_sync() -> None:
    of = vacant("b", nodes=(B, C, D))
    local = node("b", of)
    local.contact.began(0)
    assert told(local, of) == [WITH_DATA]


def test_a_loss_of_most_counts_from_the_return_of_who_saw_it() -> None:
    local = node("b", vacant("b c"))
    local.saw(vacant("b c", nodes=(A, B, C, D)), 0, POLICY.mass_loss_hold_ms)
    of = vacant("b c", nodes=(B,))
    local.saw(of, 10, POLICY.mass_loss_hold_ms)
    local.contact.began(50_000)
    until_ms = 50_000 + POLICY.mass_loss_hold_ms
    assert told(local, of, now_ms=50_000) == [
        f"look again at {until_ms} ms: most nodes vanished at once; partition 0 may be resumed"
    ]
    assert told(local, of, now_ms=until_ms) == [WITH_DATA]


@given(
    nodes=st.sets(st.sampled_from("bcd")),
    in_sync=st.sets(st.sampled_from("bcd")),
    unclean=st.sampled_from(Unclean),
    contact_ms=st.integers(0, 20_000),
    now_ms=st.integers(0, 30_000),
)
def test_a_copy_that_may_be_back_is_not_passed_over(
    nodes: set[str], in_sync: set[str], unclean: Unclean, contact_ms: int, now_ms: int
) -> None:
    lives = tuple(it for it in (B, C, D) if it.registration.id in nodes)
    of = vacant(" ".join(sorted(in_sync)), nodes=lives, unclean=unclean)
    for name in sorted(nodes):
        local = node(name, of)
        local.contact.began(contact_ms)
        for other in nodes - {name}:
            heard(local, other, None, at_ms=now_ms)
        told(local, of)
        local.saw(of, now_ms, POLICY.mass_loss_hold_ms)
        for action in decide(of, local, now_ms, POLICY):
            if isinstance(action, TakeOver):
                is_clean = name in in_sync and action.copy_id is not None
                assert is_clean or now_ms >= contact_ms + POLICY.return_hold_ms


def test_a_copy_whose_node_is_silent_is_waited_for_while_its_key_stands() -> None:
    of = vacant("b")
    local = node("c", of)
    told(local, of)
    heard(local, "b", None, at_ms=9_000)
    assert told(local, of, now_ms=9_000) == [
        "look again at 10000 ms: b has a copy of partition 0 in sync, or does not answer"
    ]


def test_a_node_whose_own_copy_began_anew_is_no_candidate_with_data() -> None:
    of = vacant("b", nodes=(B,))
    local = node("b", of, copy_id="run1-anew")
    assert told(local, of) == [EMPTY]


def test_a_copy_that_takes_a_snapshot_does_not_take_over() -> None:
    of = vacant("b", nodes=(B, C))
    local = node("b", of)
    restoring = PartitionReplication(0, "restoring", 4, 0, 0, copy("b").copy_id)
    local.observe([restoring])
    assert told(local, of) == [EMPTY]


def test_where_nobody_in_sync_is_left_the_configuration_decides() -> None:
    nodes = (B, C)
    assert told(node("b", vacant("", nodes)), vacant("", nodes)) == [EMPTY]
    refuses = vacant("", nodes, Unclean.REFUSE)
    assert told(node("b", refuses), refuses) == []
    keeps = vacant("", nodes, Unclean.KEEP)
    local = node("b", keeps, seq=8)
    assert told(local, keeps) == ["ask c how far its copies of 1 vacant partitions are"]
    heard(local, "c", 7)
    assert told(local, keeps) == [WITH_DATA]
    behind = node("b", keeps, seq=6)
    told(behind, keeps)
    heard(behind, "c", 7)
    assert told(behind, keeps) == [
        "look again at 2000 ms: 1 other nodes come first for partition 0"
    ]


def test_who_has_no_copy_to_keep_waits_for_who_may_have_one() -> None:
    keeps = vacant("", (B, C), Unclean.KEEP)
    empty = node("b", keeps, seq=None)
    told(empty, keeps)
    heard(empty, "c", None, at_ms=500)
    assert told(empty, keeps, now_ms=600) == [
        "look again at 1500 ms: 1 nodes may have a copy of partition 0"
    ]
    again = ["ask c how far its copies of 1 vacant partitions are"]
    assert told(empty, keeps, now_ms=1_500) == again
    # It goes on once whoever had held a lease has lost it, and lets the silent one go first.
    heard(empty, "c", None, at_ms=POLICY.return_hold_ms)
    until_ms = POLICY.return_hold_ms + POLICY.follow_delay_ms
    assert told(empty, keeps, now_ms=POLICY.return_hold_ms) == [
        f"look again at {until_ms} ms: 1 other nodes come first for partition 0"
    ]
    assert told(empty, keeps, now_ms=until_ms) == [EMPTY]
    # Who has one waits for nobody.
    holds = node("c", keeps)
    told(holds, keeps)
    heard(holds, "b", None)
    assert told(holds, keeps) == [WITH_DATA]


def test_a_copy_that_is_kept_late_is_kept_all_the_same() -> None:
    """The partition was refused for an hour; then it is to be kept."""
    refuses = vacant("", (B, C), Unclean.REFUSE)
    empty = node("b", refuses, seq=None)
    assert told(empty, refuses) == []
    late_ms = 3_600_000
    keeps = vacant("", (B, C), Unclean.KEEP)
    heard(empty, "c", 7, at_ms=late_ms)
    until_ms = late_ms + POLICY.follow_delay_ms
    assert told(empty, keeps, now_ms=late_ms) == [
        f"look again at {until_ms} ms: 1 other nodes come first for partition 0"
    ]


def test_a_partition_that_nobody_has_had_starts_whatever_is_configured() -> None:
    of = view(
        nodes=(B,),
        records=(record(0, preference="b"),),
        config=replace(CONFIG, unclean=Unclean.REFUSE),
    )
    assert told(node("b", of, seq=None), of) == [
        "take over partition 0 at epoch 1, empty: nobody has had it yet"
    ]


def test_a_node_that_stops_takes_over_what_only_it_has_in_sync() -> None:
    of = vacant("b")
    local = node("b", of)
    local.stopping = True
    assert told(local, of) == [WITH_DATA]
    empty = vacant("")
    other = node("b", empty)
    other.stopping = True
    assert told(other, empty) == []


def test_what_is_won_is_served_with_its_data_and_waits_for_the_others() -> None:
    before = vacant("b c")
    local = node("b", before)
    won = record(0, "b", epoch=5, preference="a b c d", in_sync="c")
    after = view(nodes=(B, C, D), records=(won,), config=replace(CONFIG, replica_count=2))
    assert told(local, after) == [
        "serve partition 0 at epoch 5, with its data",
        "partition 0 now waits for c to acknowledge",
    ]


def test_all_vacant_partitions_of_a_peer_are_asked_for_at_once() -> None:
    records = tuple(record(n, "a", epoch=4, preference="a b c", in_sync="b c") for n in range(5))
    of = view(nodes=(B, C), records=records, config=replace(CONFIG, replica_count=2))
    local = node("b", of, seq=None)
    for number in range(5):
        local.followed(PartitionId(number), Following(NodeId("a"), "", Epoch(4)), copy("b").copy_id)
    assert told(local, of) == ["ask c how far its copies of 5 vacant partitions are"]
