"""Deferred acceptance of primaries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.placement.primaries import place_primaries
from shoal_coordinator.placement.ring import Walk


def walk_of(partition: int, order: list[int]) -> Walk:
    return Walk((member, place * 10 + partition) for place, member in enumerate(order))


def walks_of(orders: list[list[int]]) -> list[Walk]:
    """Walks that meet members in these orders, ten apart; a later partition is farther."""
    return [walk_of(partition, order) for partition, order in enumerate(orders)]


def test_with_room_everyone_gets_the_first_of_its_walk() -> None:
    assert place_primaries(walks_of([[0, 1], [0, 1], [1, 0]]), [3, 3]) == [0, 0, 1]


def test_a_full_member_keeps_the_nearest_and_turns_the_last_away() -> None:
    assert place_primaries(walks_of([[0, 1], [0, 1], [0, 1]]), [2, 1]) == [0, 0, 1]


def test_a_first_choice_goes_before_a_second() -> None:
    # 0 and 1 both want member 0; the loser's second choice is whom 2 wants first.
    assert place_primaries(walks_of([[0, 1, 2], [0, 1, 2], [1, 2, 0]]), [1, 1, 1]) == [0, 2, 1]


@given(data=st.data())
def test_nobody_would_rather_be_where_there_is_room_or_a_later_claim(data: st.DataObject) -> None:
    member_count = data.draw(st.integers(1, 5))
    orders = data.draw(st.lists(st.permutations(range(member_count)), min_size=1, max_size=25))
    bound = -(-len(orders) // member_count)
    bounds = [bound] * member_count
    chosen = place_primaries(walks_of(orders), bounds)
    for member in range(member_count):
        assert chosen.count(member) <= bound
    for partition, order in enumerate(orders):
        for place in range(order.index(chosen[partition])):
            preferred = order[place]
            assert chosen.count(preferred) == bound, "it is full, or the partition had asked it"
            for other, member in enumerate(chosen):
                if member == preferred:
                    assert orders[other].index(preferred) <= place
