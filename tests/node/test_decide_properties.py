"""What holds for every decision, whatever the view."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from cluster_views import live, member, record, view
from shoal_coordinator.registry.records import Epoch, Incarnation, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView
from shoal_node.actions import (
    Action,
    ClosePartition,
    HandOver,
    InstallTopology,
    LiftFence,
    OpenPartition,
    TakeOver,
    ThawPartition,
)
from shoal_node.candidates import candidates, rank
from shoal_node.decide import decide
from shoal_node.local import Local
from shoal_node.policy import Policy

NAMES = ("a", "b", "c", "d")
POLICY = Policy()


@st.composite
def views(draw: st.DrawFn) -> ClusterView:
    nodes = tuple(
        live(name, run=draw(st.integers(1, 2)), since=since, weight=draw(st.sampled_from((0, 100))))
        for since, name in enumerate(draw(st.sets(st.sampled_from(NAMES))), start=1)
    )
    records = tuple(
        record(
            partition,
            draw(st.sampled_from((None, *NAMES))),
            run=draw(st.integers(1, 2)),
            epoch=draw(st.integers(1, 4)),
            preference=" ".join(draw(st.permutations(NAMES))[: draw(st.integers(0, 4))]),
            handoff_to=draw(st.sampled_from((None, *NAMES))),
        )
        for partition in range(draw(st.integers(0, 4)))
    )
    members = tuple(member(name) for name in draw(st.sets(st.sampled_from(NAMES))))
    return view(nodes=nodes, records=records, members=members)


@st.composite
def locals_in(draw: st.DrawFn, seen: ClusterView, name: str = "a") -> Local:
    local = Local(NodeId(name), Incarnation(f"{name}-run{draw(st.integers(1, 2))}"))
    registered = seen.nodes.get(local.node)
    if registered is not None and draw(st.booleans()):
        local.registered(registered)
        local.fence_lifted = draw(st.booleans())
    for partition in draw(st.sets(st.integers(0, 5))):
        local.opened(PartitionId(partition), Epoch(draw(st.integers(1, 4))))
        if draw(st.booleans()):
            local.froze(PartitionId(partition))
        if draw(st.booleans()):
            local.began_handing(PartitionId(partition))
        elif draw(st.booleans()):
            local.closed(PartitionId(partition))
    local.installed = draw(st.sampled_from((seen.revision, type(seen.revision)(0))))
    local.stopping = draw(st.booleans())
    return local


@st.composite
def situations(draw: st.DrawFn) -> tuple[ClusterView, Local, int]:
    seen = draw(views())
    local = draw(locals_in(seen))
    now_ms = draw(st.integers(0, 10_000))
    local.saw(seen, now_ms, POLICY.mass_loss_hold_ms)
    return seen, local, now_ms + draw(st.integers(0, 2_000))


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


@given(situations())
def test_what_is_left_open_is_what_the_view_gives(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    closed = {
        action.partition
        for action in decide(seen, local, now_ms, POLICY)
        if isinstance(action, ClosePartition)
    }
    for partition, epoch in local.serving.items():
        of = seen.partitions.get(partition)
        # A record with an older epoch than what is open cannot be newer: it is not believed.
        given_ = of is not None and local.owns(of) and of.record.epoch <= epoch
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
            if isinstance(action, OpenPartition):
                assert place < at
            if isinstance(action, ClosePartition):
                assert place < at or action.partition in local.frozen
    if LiftFence in order:
        assert order.index(LiftFence) > max(
            (place for place, kind in enumerate(order) if kind is ClosePartition), default=-1
        )


@given(situations())
def test_without_its_registration_in_the_view_a_node_takes_opens_and_lifts_nothing(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    local.lost_registration()
    bold = {OpenPartition, TakeOver, HandOver, LiftFence, ThawPartition}
    assert bold.isdisjoint(kinds(decide(seen, local, now_ms, POLICY)))


@given(situations())
def test_only_vacant_partitions_are_taken_and_only_own_ones_handed_over(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    for action in decide(seen, local, now_ms, POLICY):
        if isinstance(action, TakeOver):
            assert not seen.primary_is_live(action.held.record)
            assert not local.stopping
        if isinstance(action, HandOver):
            assert local.serving[action.partition] == action.held.record.epoch
            assert action.partition not in local.frozen
            assert action.to != local.node
            assert action.target == seen.nodes[action.to]


@given(situations())
def test_deciding_changes_nothing_and_is_the_same_again(
    situation: tuple[ClusterView, Local, int],
) -> None:
    seen, local, now_ms = situation
    before = deepcopy(local)
    first = decide(seen, local, now_ms, POLICY)
    assert local == before
    assert decide(seen, local, now_ms, POLICY) == first


@given(views())
def test_of_all_who_see_one_view_exactly_one_comes_first(seen: ClusterView) -> None:
    able = [node for node, it in seen.nodes.items() if it.registration.weight > 0]
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
        local.saw(seen, 0, POLICY.mass_loss_hold_ms)
        takers += [
            it.partition for it in decide(seen, local, 0, POLICY) if isinstance(it, TakeOver)
        ]
    assert len(takers) == len(set(takers))
