"""The load bound, exact in integers."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.placement.bounds import filled_shares, load_bounds, raised_bounds

weights = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)


def test_the_bound_is_five_percent_above_the_fair_share_rounded_up() -> None:
    assert load_bounds([100, 100, 100], 256) == [90, 90, 90]
    assert load_bounds([100, 300], 256) == [68, 202]
    assert load_bounds([100] * 20, 20) == [2] * 20
    assert raised_bounds([Fraction(20), Fraction(1, 3), Fraction(0)]) == [21, 1, 0]


@given(weights=weights, total=st.integers(0, 16384))
def test_bounds_leave_room_for_everything_and_are_the_least_such_integers(
    weights: list[int], total: int
) -> None:
    bounds = load_bounds(weights, total)
    assert sum(bounds) >= total
    for weight, bound in zip(weights, bounds, strict=True):
        exact = Fraction(21, 20) * total * weight / sum(weights)
        assert bound - 1 < exact <= bound


@given(
    shares=st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=1, max_size=20),
    total=st.integers(0, 5000),
)
def test_water_fills_up_to_the_limits_and_not_beyond(
    shares: list[tuple[int, int]], total: int
) -> None:
    weights = [weight for weight, _ in shares]
    limits = [Fraction(limit) for _, limit in shares]
    filled = filled_shares(weights, limits, Fraction(total))
    assert sum(filled) == min(Fraction(total), sum(limits))
    assert all(0 <= share <= limit for share, limit in zip(filled, limits, strict=True))
    # Whoever is not at the limit has at least as much for its weight as anybody.
    per_weight = [share / weight for share, weight in zip(filled, weights, strict=True)]
    for share, limit, level in zip(filled, limits, per_weight, strict=True):
        assert share == limit or level == max(per_weight)


def test_what_one_cannot_take_goes_to_the_others_by_weight() -> None:
    limits = [Fraction(10), Fraction(1000), Fraction(1000)]
    assert filled_shares([100, 100, 200], limits, Fraction(100)) == [10, 30, 60]
