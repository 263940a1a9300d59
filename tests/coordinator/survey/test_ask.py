"""Nodes are asked one after the other, however many there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.survey.ask import starts_seconds


@given(st.integers(0, 2000))
def test_no_two_nodes_are_asked_at_once_and_none_late(count: int) -> None:
    starts = starts_seconds(count)
    assert len({*starts}) == len(starts) == count
    assert all(0 <= start < 0.25 for start in starts)
    if 2 <= count <= 12:
        assert starts[1] - starts[0] == 0.02
