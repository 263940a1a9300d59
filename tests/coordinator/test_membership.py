"""What an operator may do with a node, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_views import CONFIG, live, member, record, view
from shoal_coordinator.membership import Decided, Reason, Refused, add, drain, keep, remove, weigh
from shoal_coordinator.registry.operations import MemberChange
from shoal_coordinator.registry.records import Member, MemberState, NodeId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView

A = NodeId("a")
TWO_COPIES = replace(CONFIG, replica_count=1)
STATES = list(MemberState)


def cluster(
    *members: Member, down: str = "", records: tuple[PartitionRecord, ...] = ()
) -> ClusterView:
    """Members that are up but for some, with two copies wanted of everything."""
    up = tuple(live(it.id) for it in members if it.id not in down)
    return view(nodes=up, members=members, records=records, config=TWO_COPIES)


def reason(decided: Decided) -> Reason | None:
    return decided.reason if isinstance(decided, Refused) else None


def state(decided: Decided) -> MemberState:
    assert isinstance(decided, MemberChange), decided
    return decided.member.state


def test_a_node_that_waits_or_had_left_is_added() -> None:
    for before in (MemberState.JOINING, MemberState.LEFT, MemberState.ACTIVE):
        assert state(add(cluster(member("a", before)), A)) is MemberState.ACTIVE
    assert state(add(view(nodes=(live("a"),)), A)) is MemberState.ACTIVE


def test_what_is_not_there_or_is_leaving_is_not_added() -> None:
    assert reason(add(cluster(), A)) is Reason.NODE_UNKNOWN
    assert reason(add(cluster(member("a", MemberState.LEFT), down="a"), A)) is Reason.NODE_DOWN
    assert reason(add(cluster(member("a", MemberState.DRAINING)), A)) is Reason.NODE_STATE


def test_a_drain_counts_on_as_many_others_as_there_are_copies() -> None:
    decided = drain(cluster(*map(member, "abcd")), A)
    assert isinstance(decided, MemberChange)
    assert decided.counts_on == ("b", "c")
    assert decided.member.state is MemberState.DRAINING


@pytest.mark.parametrize(
    "others",
    [
        pytest.param((member("b"),), id="too few"),
        pytest.param((member("b"), member("c", MemberState.DRAINING)), id="another drain"),
        pytest.param((member("b"), member("c", MemberState.JOINING)), id="one that waits"),
        pytest.param((member("b"), member("c", weight=0)), id="a proxy"),
        pytest.param((member("b"), member("x")), id="one that is down"),
    ],
)
def test_a_drain_that_would_leave_too_few_is_refused(others: tuple[Member, ...]) -> None:
    seen = cluster(member("a"), *others, down="x")
    for decided in (drain(seen, A), remove(seen, A, force=False), weigh(seen, A, 0)):
        assert isinstance(decided, Refused)
        assert decided.reason is Reason.TOO_FEW_NODES
        assert "would leave 1 node that takes partitions, and each partition wants 2" in decided.why


def test_what_takes_no_share_leaves_without_others() -> None:
    assert state(drain(cluster(member("a", weight=0)), A)) is MemberState.DRAINING
    seen = cluster(member("a", MemberState.DRAINING))
    assert state(remove(seen, A, force=False)) is MemberState.LEFT


def test_a_drain_is_taken_back() -> None:
    for before in (MemberState.DRAINING, MemberState.ACTIVE):
        assert state(keep(cluster(member("a", before)), A)) is MemberState.ACTIVE
    for before in (MemberState.JOINING, MemberState.LEFT):
        assert reason(keep(cluster(member("a", before)), A)) is Reason.NODE_STATE


def test_who_is_up_and_has_copies_is_removed_only_by_force() -> None:
    seen = cluster(
        *(member(it, MemberState.DRAINING if it == "a" else MemberState.ACTIVE) for it in "abc"),
        records=(record(0, "b", in_sync="a"), record(1, "b", in_sync="c"), record(2, "a")),
    )
    refused = remove(seen, A, force=False)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.NODE_IN_USE
    assert "copies of 2 partitions" in refused.why
    assert state(remove(seen, A, force=True)) is MemberState.LEFT


def test_a_copy_of_an_earlier_run_is_no_copy() -> None:
    seen = cluster(*map(member, "abc"), records=(record(0, "b", in_sync="a/7"),))
    assert state(remove(seen, A, force=False)) is MemberState.LEFT


def test_who_is_down_with_the_only_copies_is_removed_only_by_force() -> None:
    members = tuple(map(member, "abc"))
    both = cluster(*members, down="a", records=(record(0, "b", in_sync="a"),))
    assert state(remove(both, A, force=False)) is MemberState.LEFT
    only = cluster(*members, down="a", records=(record(0, "a"),))
    assert reason(remove(only, A, force=False)) is Reason.LAST_COPIES
    assert state(remove(only, A, force=True)) is MemberState.LEFT


def test_a_weight_is_set_and_given_back() -> None:
    seen = cluster(*map(member, "abc"))
    heavy = weigh(seen, A, 300)
    assert isinstance(heavy, MemberChange)
    assert (heavy.member.weight, heavy.member.weight_is_set) == (300, True)
    own = weigh(replace(seen, members={**seen.members, A: heavy.member}), A, None)
    assert own == MemberChange(seen.members[A])


@given(
    states=st.lists(
        st.tuples(st.sampled_from(STATES), st.sampled_from([0, 100]), st.booleans()), max_size=6
    ),
    commands=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("adkrz")), max_size=12),
    replicas=st.integers(0, 2),
)
def test_whatever_is_asked_enough_nodes_are_left(
    states: list[tuple[MemberState, int, bool]], commands: list[tuple[str, str]], replicas: int
) -> None:
    """No order of commands takes takers away below the copies; and each is idempotent."""
    nodes = "abcdef"
    members = {
        NodeId(node): member(node, state, weight)
        for node, (state, weight, _) in zip(nodes, states, strict=False)
    }
    ups = [node for node, (_, _, is_up) in zip(nodes, states, strict=False) if is_up]
    seen = view(
        nodes=tuple(map(live, ups)),
        members=tuple(members.values()),
        config=replace(CONFIG, replica_count=replicas),
    )
    asked: dict[str, Callable[[ClusterView, NodeId], Decided]] = {
        "a": add,
        "d": drain,
        "k": keep,
        "r": lambda seen, node: remove(seen, node, force=False),
        "z": lambda seen, node: weigh(seen, node, 0),
    }

    def takers(seen: ClusterView) -> int:
        return sum(it.takes_a_share and it.id in seen.nodes for it in seen.members.values())

    for node, command in commands:
        decided = asked[command](seen, NodeId(node))
        if isinstance(decided, Refused):
            assert decided.why
            continue
        after = replace(seen, members={**seen.members, decided.member.id: decided.member})
        assert takers(after) >= min(takers(seen), 1 + replicas)
        again = asked[command](after, NodeId(node))
        assert isinstance(again, MemberChange)
        assert again.member == decided.member
        seen = after
