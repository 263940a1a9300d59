from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shoal.demo.flash_sale.herd import Reload, reloads


def test_overlapping_queries_are_one_reload() -> None:
    assert reloads([(0, 10), (5, 20), (19, 30)]) == [Reload(0, 30, 3)]


def test_queries_apart_are_reloads_of_their_own() -> None:
    assert reloads([(20, 30), (0, 10)]) == [Reload(0, 10, 1), Reload(20, 30, 1)]


def test_a_short_query_within_a_long_one_does_not_end_it() -> None:
    assert reloads([(0, 100), (10, 20), (50, 60)]) == [Reload(0, 100, 3)]


def test_no_queries_are_no_reload() -> None:
    assert reloads([]) == []


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20))))
def test_every_query_is_in_one_reload_and_reloads_do_not_touch(
    drawn: list[tuple[int, int]],
) -> None:
    groups = reloads([(start, start + length) for start, length in drawn])
    assert sum(group.queries for group in groups) == len(drawn)
    assert all(earlier.ended_ns < later.started_ns for earlier, later in pairwise(groups))
