from __future__ import annotations

from shoal._core.in_flight import FIRST_SECONDS, InFlight


def test_nothing_under_way_is_never_overdue():
    calls = InFlight()
    assert not calls.overdue(1000.0)
    calls.end(calls.begin(0.0))
    assert not calls.overdue(1000.0)


def test_a_call_that_waits_is_overdue_each_time_its_wait_has_doubled():
    calls = InFlight()
    calls.begin(10.0)
    asked = [tick / 4 for tick in range(40, 81) if calls.overdue(tick / 4)]
    assert asked == [10.25, 10.5, 11.0, 12.0, 14.0, 18.0]


def test_the_oldest_call_counts_and_the_next_one_counts_anew():
    calls = InFlight()
    first = calls.begin(0.0)
    second = calls.begin(5.0)
    assert calls.overdue(FIRST_SECONDS)
    assert not calls.overdue(FIRST_SECONDS)
    calls.end(first)
    assert not calls.overdue(5.1)
    assert calls.overdue(5.0 + FIRST_SECONDS)
    calls.end(second)
    assert not calls.overdue(100.0)
