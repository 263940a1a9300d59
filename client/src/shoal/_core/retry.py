"""When a failed attempt is made again, and after how long.

The first attempt costs nothing here: tenacity's strategies are asked only after a first
failure (a decorated happy path costs 16 us a call). Then:

  - only what is safe to repeat is repeated (``Repeat``, below);
  - the wait is exponential backoff with full jitter, or what RetryInfo asks for if longer
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/);
  - a retry that would end past the call's deadline is not begun;
  - all calls of a client share a budget of retries, so that a cluster in trouble is not
    met by a storm of them. At its end, calls fail at their first failure.

Time and randomness are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Final

from tenacity import RetryCallState, Retrying
from tenacity.stop import stop_after_attempt, stop_any, stop_base, stop_before_delay
from tenacity.wait import wait_base, wait_exponential

from shoal._core.failures import FILL_TOKEN_VOID, FORWARD_FAILED, MEMORY_FULL, Code, Failure
from shoal._errors import Outcome

Clock = Callable[[], float]
"""Seconds on a clock that never goes back."""

FIRST_BACKOFF_SECONDS: Final = 0.02
LONGEST_BACKOFF_SECONDS: Final = 0.25

_SUCCESSES_PER_RETRY: Final = 10
_REFILL_PER_SECOND: Final = 10.0


class Repeat(Enum):
    """What an operation allows after an attempt that may have been applied.

    After NOT_APPLIED every operation may be made again.
    """

    ALWAYS = "always"
    """Reads, Del and Touch, and whatever carries a request id. A Del made twice can at worst
    remove a value that was written in between, which is a miss; not making it could leave
    what was invalidated. Incr and sets with a condition count once, by their id."""

    WHEN_OVER = "when over"
    """A Set without condition. Until it returns it may take effect at any moment, and a
    repeat within the call only moves that moment: the end is one that a single slow Set
    could have had, too. But an attempt that might still be on its way could arrive after
    the call has returned, and bring back what was deleted since. So it is repeated when
    the connection was lost or the node answered, not when a node waits for another
    (FORWARD_FAILED) or time ran out. Where the order of writers matters, set conditions."""

    NEVER = "never"
    """Incr and sets with a condition where the server knows no request ids: a second time
    means something else."""


class RetryBudget:
    """A token bucket: a retry takes a token, ten successes or a tenth of a second give one.

    Shared by threads without a lock: a token lost or won in a race does no harm.
    """

    __slots__ = ("_capacity", "_refilled_at", "_tokens")

    def __init__(self, capacity: int, now: float) -> None:
        self._capacity = float(capacity)
        self._tokens = float(capacity)
        self._refilled_at = now

    @property
    def tokens(self) -> float:
        """How many retries may be made at once: 0 to the capacity."""
        return self._tokens

    def note_success(self) -> None:
        """Count a call that succeeded."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + 1 / _SUCCESSES_PER_RETRY)

    def take(self, now: float) -> bool:
        """Take a token for a retry; False when there is none."""
        elapsed = max(0.0, now - self._refilled_at)
        self._refilled_at = max(now, self._refilled_at)
        self._tokens = min(self._capacity, self._tokens + elapsed * _REFILL_PER_SECOND)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class FullJitter(wait_base):
    """A random part of an exponentially growing wait, from a given source of randomness."""

    def __init__(self, rng: Random, *, first_seconds: float, longest_seconds: float) -> None:
        self._rng = rng
        self._window = wait_exponential(multiplier=first_seconds, max=longest_seconds)

    def __call__(self, retry_state: RetryCallState) -> float:
        return self._rng.random() * self._window(retry_state)


class RetryPolicy:
    """The rules above, for all calls of a client."""

    def __init__(self, rng: Random, budget: RetryBudget, max_attempts: int) -> None:
        self.budget = budget
        self.max_attempts = max_attempts
        self.wait: wait_base = FullJitter(
            rng, first_seconds=FIRST_BACKOFF_SECONDS, longest_seconds=LONGEST_BACKOFF_SECONDS
        )
        self._retrying = Retrying(wait=self.wait)

    def backoff(self, started: float, timeout_seconds: float) -> Backoff:
        """Begin to count the attempts of one call, after its first failure."""
        state = RetryCallState(self._retrying, None, (), {})
        state.start_time = started
        stop = stop_any(stop_after_attempt(self.max_attempts), stop_before_delay(timeout_seconds))
        return Backoff(self, state, stop)


class Backoff:
    """The attempts of one call, from its first failure on."""

    __slots__ = ("_policy", "_state", "_stop")

    def __init__(self, policy: RetryPolicy, state: RetryCallState, stop: stop_base) -> None:
        self._policy = policy
        self._state = state
        self._stop = stop

    def next_wait(self, failure: Failure, now: float) -> float | None:
        """Return how many seconds to wait before the next attempt; None to give up."""
        state = self._state
        state.outcome_timestamp = now
        wait_seconds = max(self._policy.wait(state), failure.retry_after_seconds)
        state.upcoming_sleep = wait_seconds
        if self._stop(state) or not self._policy.budget.take(now):
            return None
        state.attempt_number += 1
        return wait_seconds


def may_repeat(failure: Failure, repeat: Repeat) -> bool:
    """Whether another attempt is safe, and has a chance to end otherwise."""
    return _may_end_otherwise(failure) and _is_safe(failure, repeat)


def _is_safe(failure: Failure, repeat: Repeat) -> bool:
    if failure.outcome is Outcome.NOT_APPLIED or repeat is Repeat.ALWAYS:
        return True
    return (
        repeat is Repeat.WHEN_OVER
        and failure.code is not Code.DEADLINE_EXCEEDED
        and failure.reason != FORWARD_FAILED
    )


def _may_end_otherwise(failure: Failure) -> bool:
    if failure.reason == FILL_TOKEN_VOID:
        return False  # What is void stays so.
    match failure.code:
        case Code.INVALID_ARGUMENT | Code.OUT_OF_RANGE | Code.UNIMPLEMENTED:
            return False
        case Code.PERMISSION_DENIED | Code.UNAUTHENTICATED:
            return False
        case Code.RESOURCE_EXHAUSTED:
            # A full memory is not emptied within a call; other bounds say when to come back.
            return failure.reason != MEMORY_FULL and failure.retry_after_seconds > 0
    return True
