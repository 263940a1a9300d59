from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import Outcome
from shoal._core.failures import Code, Failure
from shoal._core.retry import (
    LONGEST_BACKOFF_SECONDS,
    Repeat,
    RetryBudget,
    RetryPolicy,
    may_repeat,
)

REFUSED = Failure(Code.UNAVAILABLE, "NO_OWNER", Outcome.NOT_APPLIED, "")
LOST = Failure(Code.UNAVAILABLE, "CONNECTION_LOST", Outcome.MAYBE_APPLIED, "")
LATE = Failure(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", Outcome.MAYBE_APPLIED, "")
ON_ITS_WAY = Failure(Code.UNAVAILABLE, "FORWARD_FAILED", Outcome.MAYBE_APPLIED, "")


@pytest.mark.parametrize(
    ("failure", "allowed"),
    [
        (REFUSED, {Repeat.ALWAYS, Repeat.WHEN_OVER, Repeat.NEVER}),
        (LOST, {Repeat.ALWAYS, Repeat.WHEN_OVER}),
        (LATE, {Repeat.ALWAYS}),
        (ON_ITS_WAY, {Repeat.ALWAYS}),
    ],
)
def test_what_may_be_repeated(failure, allowed):
    assert {repeat for repeat in Repeat if may_repeat(failure, repeat)} == allowed


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (Code.INVALID_ARGUMENT, "KEY_EMPTY"),
        (Code.OUT_OF_RANGE, "MESSAGE_TOO_LARGE"),
        (Code.UNIMPLEMENTED, "NOT_SERVED"),
        (Code.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (Code.RESOURCE_EXHAUSTED, "MEMORY_FULL"),
    ],
)
def test_what_ends_the_same_is_not_repeated(code, reason):
    failure = Failure(code, reason, Outcome.NOT_APPLIED, "", {}, 0.01)
    assert not any(may_repeat(failure, repeat) for repeat in Repeat)


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from(["retry", "success"]), st.floats(0, 2)), max_size=200),
)
def test_the_budget_is_never_overdrawn(capacity, events):
    budget = RetryBudget(capacity, now=0.0)
    now = 0.0
    taken = successes = 0
    for event, elapsed in events:
        now += elapsed
        if event == "success":
            budget.note_success()
            successes += 1
        else:
            taken += budget.take(now)
        assert 0 <= budget.tokens <= capacity
    assert taken <= capacity + successes * 0.1 + now * 10 + 1e-6


def test_a_spent_budget_comes_back():
    budget = RetryBudget(2, now=0.0)
    assert [budget.take(0.0) for _ in range(3)] == [True, True, False]
    assert budget.take(0.1)
    assert not budget.take(0.1)
    for _ in range(11):
        budget.note_success()
    assert budget.take(0.1)


def test_a_clock_that_stands_still_or_lags_gives_nothing():
    budget = RetryBudget(1, now=10.0)
    assert budget.take(10.0)
    assert not budget.take(5.0)
    assert not budget.take(10.0)


@given(st.integers())
def test_waits_are_jittered_bounded_and_within_the_deadline(seed):
    policy = RetryPolicy(Random(seed), RetryBudget(1000, 0.0), max_attempts=50)
    backoff = policy.backoff(started=0.0, timeout_seconds=5.0)
    now = 0.0
    for attempt in range(60):
        wait_seconds = backoff.next_wait(REFUSED, now)
        if wait_seconds is None:
            break
        assert 0 <= wait_seconds <= min(LONGEST_BACKOFF_SECONDS, 0.02 * 2**attempt)
        now += wait_seconds
        assert now < 5.0
    else:
        pytest.fail("it never gave up")
    assert attempt < 50
