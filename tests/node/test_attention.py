"""What a turn need not look at: nothing is to be done about it, whatever time it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_views import CONFIG, copy, live, record, view
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import Epoch, Incarnation, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition
from shoal_node.actions import Action, ChangeAsPrimary, HandOver, TakeOver
from shoal_node.attention import Attention, is_at_rest
from shoal_node.decide import decide, is_ready
from shoal_node.local import Following, Local, Required
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication
from situations import POLICY, situations

A, B = live("a", since=1), live("b", since=2)
COUNT = 20
RECORDS = tuple(record(it, "a", preference="a b", in_sync="b", replicas="b") for it in range(COUNT))
SEEN = view(nodes=(A, B), records=RECORDS, config=replace(CONFIG, replica_count=1))
FEW = Policy(changes_at_once=3, hand_overs_at_once=2)


@given(situations(), st.integers(0, 20_000), st.integers(-20_000, 20_000), st.integers(0, 20_000))
def test_what_is_at_rest_and_needs_nothing_now_needs_nothing_later(
    situation: tuple[ClusterView, Local, int], after_ms: int, since_ms: int, confirmed_ms: int
) -> None:
    seen, local, now_ms = situation
    due = {it.partition for it in decide(seen, local, now_ms, POLICY) if hasattr(it, "partition")}
    rest = {it for it in seen.partitions if is_at_rest(seen, local, it, now_ms, POLICY)} - due
    local.contact.since_ms, local.contact.confirmed_ms = since_ms, confirmed_ms
    later_ms = now_ms + after_ms
    local.saw(seen, later_ms, POLICY.mass_loss_hold_ms)
    for action in decide(seen, local, later_ms, POLICY):
        partition = getattr(action, "partition", None)
        # Take-overs look at all that is vacant, and who stops at all that it has.
        if partition in local.vacancies or (local.stopping and partition in local.serving):
            continue
        assert partition not in rest, str(action)


@given(situations())
def test_a_decision_over_what_is_not_at_rest_is_the_decision_over_everything(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    everything = decide(seen, local, now_ms, POLICY)
    due = {it.partition for it in everything if hasattr(it, "partition")}
    rest = {it for it in seen.partitions if is_at_rest(seen, local, it, now_ms, POLICY)} - due
    known = {*seen.partitions, *local.serving, *local.following}
    assert decide(seen, local, now_ms, POLICY, known - rest) == everything


def primary(of: ClusterView) -> Local:
    """It serves everything, and is followed by b."""
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.fence_lifted = True
    local.installed = of.revision
    followers = (Follower("b", copy("b").copy_id, 9, 0, True),)
    own_id = copy("a").copy_id
    for partition in of.partitions:
        local.opened(partition, Epoch(1), own_id)
        local.requires(partition, Required((copy("b"),), 2))
    local.observe(
        [PartitionReplication(it, "primary", 1, 9, 1, own_id, followers, 9) for it in of.partitions]
    )
    return local


class Node:
    """Takes turns, and carries out what its actions do to its own state."""

    def __init__(self, seen: ClusterView, local: Local, policy: Policy = FEW) -> None:
        self.seen, self.local, self.policy = seen, local, policy
        self.attention = Attention()
        self.looked_at: Collection[PartitionId] | None = None

    def turn(self, now_ms: int = 0) -> list[Action]:
        self.local.saw(self.seen, now_ms, self.policy.mass_loss_hold_ms)
        at = self.looked_at = self.attention.wanted(self.seen, self.local)
        self.local.changed.clear()
        actions = decide(self.seen, self.local, now_ms, self.policy, at)
        for action in actions:
            match action:
                case HandOver():
                    self.local.began_handing(action.partition)
                case ChangeAsPrimary():
                    self.local.began_changing(action.partition)
                case TakeOver():
                    self.local.began_taking(action.partition)
                case _:
                    pass
        self.attention.turned(self.seen, self.local, at, now_ms, self.policy)
        return list(actions)

    def sees(self, *records: HeldPartition) -> None:
        partitions = {**self.seen.partitions, **{it.record.partition: it for it in records}}
        revision = max(it.mod_revision for it in records)
        self.seen = replace(self.seen, partitions=partitions, revision=revision)
        self.local.installed = revision


def settled(seen: ClusterView = SEEN) -> Node:
    node = Node(seen, primary(seen))
    assert node.turn() == []
    assert node.turn() == []
    return node


def test_the_first_turn_looks_at_everything_and_the_next_at_nothing() -> None:
    node = Node(SEEN, primary(SEEN))
    node.turn()
    assert node.looked_at is None
    node.turn()
    assert node.looked_at == set(), "but for what changed since, and nothing did"


def test_one_record_that_changed_is_looked_at_alone() -> None:
    node = settled()
    wish = replace(RECORDS[7], handoff_to=NodeId("b"))
    node.sees(HeldPartition(wish, Revision(100)))
    (action,) = node.turn()
    assert node.looked_at == {7}
    assert str(action).startswith("hand partition 7 over to b")


def test_all_are_looked_at_where_a_node_has_come_or_gone() -> None:
    node = settled()
    node.seen = replace(node.seen, nodes={**node.seen.nodes, NodeId("c"): live("c", since=3)})
    node.turn()
    assert node.looked_at is None


def test_what_this_node_did_to_a_partition_is_looked_at() -> None:
    node = settled()
    node.local.began_changing(PartitionId(3))
    node.turn()
    assert node.looked_at == {3}
    node.local.ended_changing(PartitionId(3), None)
    node.turn()
    node.turn()
    assert node.looked_at == set()


def test_a_partition_waits_for_its_time() -> None:
    node = settled()
    node.local.began_changing(PartitionId(3))
    node.local.ended_changing(PartitionId(3), 500)
    for now_ms, looks_at in ((0, {3}), (100, {3}), (500, {3}), (501, set())):
        node.turn(now_ms)
        assert node.looked_at == looks_at, now_ms


@pytest.mark.parametrize("bound", ["changes", "hand-overs"])
def test_what_was_due_beyond_a_bound_is_looked_at_until_it_is_done(bound: str) -> None:
    node = settled()
    if bound == "changes":
        # Who has gone on to be followed by nobody wanted: all of them are to leave out b.
        node.seen = replace(
            node.seen,
            nodes={**node.seen.nodes, NodeId("b"): live("b", run=2, since=9)},
            revision=Revision(9),
        )
        node.local.installed = Revision(9)
    else:
        node.sees(
            *(
                HeldPartition(replace(it, handoff_to=NodeId("b")), Revision(100 + it.partition))
                for it in RECORDS
            )
        )
    done: set[PartitionId] = set()
    for _ in range(COUNT):
        for action in node.turn():
            assert isinstance(action, ChangeAsPrimary | HandOver)
            partition = action.partition
            done.add(partition)
            # As if it had come about: b has nothing to do with it any more.
            alone = replace(RECORDS[partition], in_sync=RECORDS[partition].in_sync[:1])
            if isinstance(action, ChangeAsPrimary):
                node.local.ended_changing(partition, None)
            else:
                node.local.ended_handing(partition, None)
            revision = Revision(node.seen.revision + 200)
            node.sees(HeldPartition(alone, revision))
            node.local.requires(partition, Required((), 1))
            own_id = copy("a").copy_id
            told = PartitionReplication(partition, "primary", 1, 9, 1, own_id, (), 9)
            node.local.observe([told], [partition])
    assert done == set(range(COUNT))


def test_a_copy_that_is_about_to_be_in_sync_is_looked_at() -> None:
    """It is near enough a moment later, and no news tells of that."""
    alone = record(0, "a", preference="a b", replicas="b")
    seen = view(nodes=(A, B), records=(alone,), config=replace(CONFIG, replica_count=1))
    node = Node(seen, primary(seen))
    node.local.requires(PartitionId(0), Required((), 1))
    own_id = copy("a").copy_id
    for lag_ms, actions in ((0, 0), (1, 1)):
        behind = (Follower("b", copy("b").copy_id, 8, lag_ms, True),)
        told = PartitionReplication(0, "primary", 1, 9, 1, own_id, behind, 9)
        node.local.observe([told])
        assert len(node.turn()) == actions
    assert node.looked_at == {0}


def test_a_copy_that_is_lost_is_looked_at_until_its_time_has_come() -> None:
    """Its record names a copy that is not here, and another that may be back."""
    seen = view(nodes=(A,), records=RECORDS[:1], config=replace(CONFIG, replica_count=1))
    local = Local(NodeId("a"), Incarnation("a-run1"))
    local.registered(A)
    local.fence_lifted = True
    local.installed = seen.revision
    node = Node(seen, local, POLICY)
    for now_ms in (0, 1, POLICY.return_hold_ms - 1):
        (wait,) = node.turn(now_ms)
        assert (
            str(wait) == f"look again at {POLICY.return_hold_ms} ms: partition 0 has no copy here"
        )
        assert not is_ready(seen, local, lease_stands=True, only=node.attention.unsettled)
    (action,) = node.turn(POLICY.return_hold_ms)
    assert str(action).startswith("take over partition 0 at epoch 2, empty")


def test_who_follows_may_rest_too() -> None:
    seen = replace(SEEN)
    local = Local(NodeId("b"), Incarnation("b-run1"))
    local.registered(B)
    local.fence_lifted = True
    local.installed = seen.revision
    for partition in seen.partitions:
        local.followed(partition, Following(NodeId("a"), "a:7400", Epoch(1)), copy("b").copy_id)
    node = Node(seen, local)
    node.turn()
    node.turn()
    assert node.looked_at == set()
