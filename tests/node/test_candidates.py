"""The order of those who may take a partition."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cluster_views import CONFIG, live, member, record, view
from shoal_coordinator.registry.records import MemberState, NodeId
from shoal_node.candidates import candidates, rank


def test_the_preference_list_comes_first_without_those_who_cannot() -> None:
    seen = view(nodes=(live("a"), live("b", weight=0), live("c"), live("d")))
    assert candidates(seen, record(0, preference="e c b a"))[:2] == ("c", "a")


def test_everyone_else_follows_and_nobody_is_left_out() -> None:
    seen = view(nodes=(live("a"), live("b"), live("c")))
    assert sorted(candidates(seen, record(0, preference="b"))) == ["a", "b", "c"]
    assert candidates(seen, record(0, preference="b"))[0] == "b"


def test_partitions_without_a_preferred_node_spread_over_all() -> None:
    seen = view(nodes=tuple(live(name) for name in "abcd"))
    first = Counter(candidates(seen, record(number, preference="x"))[0] for number in range(400))
    assert set(first) == set("abcd")
    assert max(first.values()) < 150


def test_a_node_that_is_being_drained_comes_last() -> None:
    seen = view(
        nodes=tuple(live(name) for name in "abc"),
        members=(member("a", MemberState.DRAINING), member("b"), member("c")),
    )
    assert all(candidates(seen, record(number))[-1] == "a" for number in range(20))


def test_a_node_that_is_not_live_has_no_rank() -> None:
    seen = view(nodes=(live("a"), live("p", weight=0)))
    assert rank(seen, record(0, preference="a"), NodeId("a")) == 0
    assert rank(seen, record(0, preference="a"), NodeId("p")) is None
    assert rank(seen, record(0, preference="z"), NodeId("z")) is None


def test_who_waits_to_be_added_takes_nothing_though_nobody_else_is_there() -> None:
    waits = view(nodes=(live("a"),), members=(member("a", MemberState.JOINING),))
    assert candidates(waits, record(0)) == ()
    by_hand = replace(CONFIG, auto_join=False)
    assert candidates(view(nodes=(live("a"),), config=by_hand), record(0)) == ()
    added = view(nodes=(live("a"),), members=(member("a"),), config=by_hand)
    assert candidates(added, record(0)) == ("a",)


def test_a_weight_that_an_operator_set_counts() -> None:
    seen = view(
        nodes=(live("a"), live("b"), live("p", weight=0)),
        members=(
            member("a", weight=0),
            member("b"),
            replace(member("p", weight=50), weight_is_set=True),
        ),
    )
    assert all(candidates(seen, record(number))[-1] == "a" for number in range(20)), (
        "who shall have nothing takes only what nobody else is there for"
    )
    assert {candidates(seen, record(number))[0] for number in range(40)} == {"b", "p"}
