"""What holds for every decision, whatever the view."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given

from shoal_coordinator.registry.records import MemberState, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView
from shoal_node.actions import (
    Action,
    ChangeAsPrimary,
    ClosePartition,
    FollowPartition,
    HandOver,
    InstallTopology,
    LiftFence,
    OpenPartition,
    PromotePartition,
    RequireCopies,
    TakeOver,
    ThawPartition,
)
from shoal_node.candidates import candidates, rank
from shoal_node.decide import decide
from shoal_node.holders import copies_left
from shoal_node.local import Local
from situations import POLICY, situations, views


def kinds(actions: tuple[Action, ...]) -> list[type[Action]]:
    return [type(action) for action in actions]


@given(situations())
def test_only_what_the_record_gives_to_this_incarnation_is_opened(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, OpenPartition):
            of = seen.partitions[action.partition].record
            assert of.primary is not None
            assert (of.primary.node, of.primary_incarnation) == (local.node, local.incarnation)
            assert of.epoch == action.epoch > local.spent.get(action.partition, 0)
            assert action.copy_id in local.drawn[action.partition]
            assert of.primary.copy_id == action.copy_id


@given(situations())
def test_only_the_very_copy_that_the_record_names_is_served_with_its_data(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, PromotePartition):
            of = seen.partitions[action.partition].record
            assert local.owns(seen.partitions[action.partition])
            assert of.primary == local.own_copy(action.partition)
            assert action.partition in local.following


@given(situations())
def test_a_copy_that_a_record_names_in_sync_is_never_dropped(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, ClosePartition) and action.partition in local.following:
            of = seen.partitions.get(action.partition)
            assert of is None or local.own_copy(action.partition) not in of.record.in_sync


@given(situations())
def test_every_copy_that_the_record_names_or_may_name_is_waited_for(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, RequireCopies):
            of = seen.partitions[action.partition].record
            assert {it for it in of.in_sync if it != of.primary} <= set(action.copies)
            assert action.partition not in local.changing
            assert local.registration is not None
        if isinstance(action, ChangeAsPrimary):
            joined = set(action.record.in_sync) - set(action.held.record.in_sync)
            assert joined <= {it.copy for it in local.joining.values()}
            assert (action.record.epoch, action.record.primary) == (
                action.held.record.epoch,
                action.held.record.primary,
            )
            assert not local.is_busy(action.partition)


@given(situations())
def test_one_write_of_a_record_is_begun_at_a_time(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    begun = [
        action.partition
        for action in decide(seen, local, now_ms, POLICY)
        if isinstance(action, TakeOver | HandOver | ChangeAsPrimary)
    ]
    assert len(begun) == len(set(begun))
    assert not any(local.is_busy(partition) for partition in begun)


@given(situations())
def test_what_is_left_open_is_what_the_view_gives(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    closed = {
        action.partition
        for action in decide(seen, local, now_ms, POLICY)
        if isinstance(action, ClosePartition | FollowPartition)
    }
    for partition, epoch in local.serving.items():
        of = seen.partitions.get(partition)
        # A record with an older epoch than what is open cannot be newer: it is not believed.
        given_ = (
            of is not None
            and local.owns(of)
            and of.record.epoch <= epoch
            and of.record.primary == local.own_copy(partition)
        )
        assert (partition in closed) != given_


@given(situations())
def test_the_order_of_actions_is_the_order_that_is_safe(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    actions = decide(seen, local, now_ms, POLICY)
    order = kinds(actions)
    if InstallTopology in order:
        at = order.index(InstallTopology)
        for place, action in enumerate(actions):
            if isinstance(action, OpenPartition | PromotePartition):
                assert place < at
            stops = isinstance(action, ClosePartition | FollowPartition)
            if stops and action.partition in local.serving:
                assert place < at or action.partition in local.frozen
    if LiftFence in order:
        assert order.index(LiftFence) > max(
            (
                place
                for place, action in enumerate(actions)
                if isinstance(action, ClosePartition | FollowPartition)
                and action.partition in local.serving
            ),
            default=-1,
        )


@given(situations())
def test_without_its_registration_in_the_view_a_node_takes_opens_and_lifts_nothing(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    local.lost_registration()
    bold = {OpenPartition, PromotePartition, RequireCopies, TakeOver, HandOver, ChangeAsPrimary}
    bold |= {LiftFence, ThawPartition}
    assert bold.isdisjoint(kinds(decide(seen, local, now_ms, POLICY)))


@given(situations())
def test_only_vacant_partitions_are_taken_and_only_own_ones_handed_over(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, TakeOver):
            of, own_copy = action.held.record, local.own_copy(action.partition)
            is_lost = local.owns(action.held) and action.partition not in local.serving
            assert is_lost or not seen.primary_is_live(of)
            assert not local.stopping or is_lost or own_copy in of.in_sync
            left = [it for it in copies_left(seen, of) if it.node != local.node]
            assert own_copy in of.in_sync or not left, "a copy in sync was passed over"
        if isinstance(action, HandOver):
            assert local.serving.get(action.partition) in {None, action.held.record.epoch}
            assert action.partition not in local.frozen
            assert action.to != local.node
            assert action.target == seen.nodes[action.to]
            assert action.copy in action.held.record.in_sync
            assert set(action.others) <= set(action.held.record.in_sync)


@given(situations())
def test_deciding_changes_nothing_and_is_the_same_again(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    before = deepcopy(local)
    first = decide(seen, local, now_ms, POLICY)
    assert local == before
    assert decide(seen, local, now_ms, POLICY) == first


def _may_have_partitions(seen: ClusterView, node: NodeId) -> bool:
    """By its own flag or an operator's word, and not while it waits to be let in."""
    by_own_flag = seen.nodes[node].registration.weight > 0
    known = seen.members.get(node)
    if known is None:
        return by_own_flag
    by_word = known.weight_is_set and known.weight > 0
    return (by_own_flag or by_word) and known.state is not MemberState.JOINING


@given(views())
def test_of_all_who_see_one_view_exactly_one_comes_first(seen: ClusterView) -> None:
    able = [node for node in seen.nodes if _may_have_partitions(seen, node)]
    for held in seen.partitions.values():
        ranks = [rank(seen, held.record, node) for node in able]
        assert sorted(it for it in ranks if it is not None) == list(range(len(able)))
        assert [rank(seen, held.record, node) for node in candidates(seen, held.record)] == list(
            range(len(able))
        )


@given(views())
def test_at_first_sight_at_most_one_node_takes_a_partition(seen: ClusterView) -> None:
    takers: list[PartitionId] = []
    for name, registered in seen.nodes.items():
        local = Local(name, registered.registration.incarnation)
        local.registered(registered)
        local.contact.since_ms = -POLICY.return_hold_ms
        local.saw(seen, 0, POLICY.mass_loss_hold_ms)
        takers += [
            it.partition for it in decide(seen, local, 0, POLICY) if isinstance(it, TakeOver)
        ]
    assert len(takers) == len(set(takers))
