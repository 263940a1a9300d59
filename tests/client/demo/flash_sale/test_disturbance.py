from __future__ import annotations

from shoal.demo.events import EventKind
from shoal.demo.flash_sale.disturbance import disturbance_of, is_failing
from shoal.demo.flash_sale.ledger import Second

KILLED, ADDED = EventKind.NODE_KILLED, EventKind.NODE_ADDED


def second(at: float, *, queries: float, p99_ms: float, failures: int) -> Second:
    return Second(at, 100.0, 0.9, 0.0, queries, 1.0, p99_ms, 0, failures)


def test_what_came_after_is_compared_with_what_was_before() -> None:
    seconds = [
        second(1.0, queries=500.0, p99_ms=50.0, failures=1),
        second(9.0, queries=10.0, p99_ms=2.0, failures=2),
        second(10.0, queries=20.0, p99_ms=4.0, failures=2),
        second(11.0, queries=300.0, p99_ms=900.0, failures=40),
        second(12.0, queries=90.0, p99_ms=30.0, failures=42),
        second(13.0, queries=12.0, p99_ms=3.0, failures=42),
    ]
    kill = disturbance_of(KILLED, "node-2", 10.0, seconds)
    assert (kill.node, kill.at_seconds) == ("node-2", 10.0)
    assert kill.cache_failures == 40
    assert kill.failing_seconds == 2.0
    assert (kill.origin_per_second_before, kill.origin_per_second_worst) == (15.0, 300.0)
    assert (kill.p99_ms_before, kill.p99_ms_worst) == (3.0, 900.0)


def test_a_kill_that_nobody_noticed() -> None:
    kill = disturbance_of(KILLED, "node-1", 0.0, [second(1.0, queries=5.0, p99_ms=1.0, failures=0)])
    assert (kill.cache_failures, kill.failing_seconds, kill.p99_ms_before) == (0, 0.0, 0.0)


def test_of_two_the_first_ends_where_the_second_begins() -> None:
    seconds = [
        second(9.0, queries=10.0, p99_ms=2.0, failures=0),
        second(11.0, queries=12.0, p99_ms=3.0, failures=0),
        second(12.0, queries=300.0, p99_ms=900.0, failures=40),
    ]
    joined = disturbance_of(
        ADDED, "node-4", 10.0, seconds, until_seconds=11.0, settled_at_seconds=10.5
    )
    assert (joined.cache_failures, joined.origin_per_second_worst) == (0, 12.0)
    assert joined.settled_seconds == 0.5
    killed = disturbance_of(KILLED, "node-1", 11.0, seconds)
    assert (killed.cache_failures, killed.settled_seconds) == (40, None)


def test_the_cache_fails_from_a_kill_to_the_last_failure() -> None:
    seconds = [
        second(9.0, queries=10.0, p99_ms=2.0, failures=0),
        second(12.0, queries=300.0, p99_ms=900.0, failures=40),
        second(13.0, queries=12.0, p99_ms=3.0, failures=40),
    ]
    killed = disturbance_of(KILLED, "node-2", 10.0, seconds)
    added = disturbance_of(ADDED, "node-4", 10.0, seconds)
    assert [is_failing(at, [killed]) for at in (9.9, 10.0, 11.9, 12.0)] == [
        False,
        True,
        True,
        False,
    ]
    assert not is_failing(11.0, [added])
