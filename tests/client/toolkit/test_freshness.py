"""Zones are told by the node, or by the remaining time alone, whatever the jitter was."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shoal._toolkit.freshness import Lifetime, Zone, lifetime

"""The machine may be busy."""

times = st.integers(1, 10**7)


@given(times, times, st.integers(0, 10**7), st.floats(0, 0.99), st.integers(), st.data())
def test_any_caller_can_tell_where_a_value_stands(
    fresh_ms, stale_ms, error_ms, jitter, seed, data
) -> None:
    made = Lifetime(fresh_ms + stale_ms, fresh_ms, error_ms, 0, jitter)
    stored_ms, stored_fresh_ms = made.stored_ms(Random(seed))
    spread_ms = fresh_ms * jitter + 1
    assert abs(stored_ms - (fresh_ms + stale_ms + error_ms)) <= spread_ms
    assert made.zone(stored_ms) is Zone.FRESH
    remaining_ms = data.draw(st.integers(1, stored_ms))
    age_ms = stored_ms - remaining_ms
    jittered_ms = stored_ms - stale_ms - error_ms
    expected = (
        Zone.FRESH
        if age_ms < jittered_ms
        else Zone.STALE
        if age_ms < jittered_ms + stale_ms
        else Zone.EXPIRED
    )
    assert made.zone(remaining_ms) is expected
    is_stale = age_ms >= stored_fresh_ms
    assert made.zone(remaining_ms, is_stale=is_stale) is expected


def test_without_fresh_and_stale_if_error_a_value_is_fresh_to_its_end() -> None:
    made = lifetime(ttl="1m", fresh=None, stale_if_error=None, absent_ttl=None, jitter=0.1)
    assert {made.zone(remaining_ms) for remaining_ms in (1, 30_000, 66_000)} == {Zone.FRESH}
    assert made.zone(0) is Zone.FRESH
    assert made.stored_ms(Random(1))[1] == 0


def test_what_has_no_end_is_stale_and_never_expired() -> None:
    made = lifetime(ttl="1m", fresh="10s", stale_if_error="1m", absent_ttl=None, jitter=0)
    assert made.zone(0, is_stale=True) is Zone.STALE
    assert made.zone(1, is_stale=False) is Zone.FRESH
