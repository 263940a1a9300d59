"""The circle of tokens and the walk around it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.placement.ring import NEAR, Ring, RingMember, Walk
from shoal_coordinator.placement.tokens import RING_SIZE, node_tokens
from shoal_coordinator.registry.records import NodeId


def ring_of(*names: str) -> Ring:
    return Ring(RingMember(NodeId(name), 10, "") for name in names)


def steps(walk: Walk) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while (step := walk.at(len(found))) is not None:
        found.append(step)
    return found


@given(point=st.integers(0, RING_SIZE - 1))
def test_a_walk_meets_everyone_once_at_rising_distances(point: int) -> None:
    met = steps(ring_of("a", "b", "c", "d").walk(point))
    assert sorted(member for member, _ in met) == [0, 1, 2, 3]
    distances = [distance for _, distance in met]
    assert distances == sorted(distances)
    assert 0 <= distances[0] <= distances[-1] < RING_SIZE


@given(point=st.integers(0, RING_SIZE - 1))
def test_a_walk_agrees_with_a_search_of_all_tokens(point: int) -> None:
    names = ["a", "b", "c"]
    nearest = {
        number: min((token - point) % RING_SIZE for token in node_tokens(name, 10))
        for number, name in enumerate(names)
    }
    expected = sorted(nearest.items(), key=lambda pair: pair[1])
    assert steps(ring_of(*names).walk(point)) == expected


def test_members_are_numbered_by_id_and_those_without_weight_left_out() -> None:
    members = [
        RingMember(NodeId("b"), 100, ""),
        RingMember(NodeId("proxy"), 0, ""),
        RingMember(NodeId("a"), 100, ""),
    ]
    assert [member.id for member in Ring(members).members] == ["a", "b"]


def test_nearness_ends_a_walk_early_and_leaves_the_rest_to_be_met() -> None:
    ring = Ring(RingMember(NodeId(f"n{number}"), 1, "") for number in range(NEAR + 10))
    walk = ring.walk(0)
    assert walk.near(NEAR - 1) is not None
    assert walk.near(NEAR) is None
    assert walk.at(NEAR) is not None
