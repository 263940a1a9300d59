"""One request for one key, until it is answered or fails for good.

    attempt 1        straight to the owner (routed), or to any node while none is known
    MOVED            what it says is learnt, and followed at once, a bounded number of times
    other failures   if the operation may be repeated: the topology is refreshed, and after
                     a backoff the owner is asked; if it is the one that just failed, then
                     any other node, which forwards (unrouted)

Whatever happens ends at the call's deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from shoal._core.core import Core
from shoal._core.effects import Call, Method, Operation, RefreshTopology, Sleep
from shoal._core.failures import Failure, error_of
from shoal._core.retry import Backoff, Repeat, may_repeat
from shoal._errors import Outcome, ShoalError

MOST_HOPS: Final = 4
"""How often a call follows MOVED without waiting."""

_READS: Final = frozenset({"Get", "MGet"})
_SHORTEST_SPLIT_SECONDS: Final = 0.2


def call_owner(
    core: Core, method: Method, key: bytes, message: Any, timeout_seconds: float, repeat: Repeat
) -> Operation[Any]:
    """Ask the owner of a key; return its answer. Raises ShoalError."""
    started = core.clock()
    owner = core.topology.owner_address(key)
    if owner:
        message.routed = True
        address = owner
    else:
        address = core.any_address()
    answer = yield Call(address, method, message, attempt_seconds(timeout_seconds, repeat))
    if type(answer) is not Failure:
        core.budget.note_success()
        return answer
    attempts = Attempts(core, method, started, timeout_seconds, repeat)
    return (yield from _call_again(attempts, key, message, address, answer))


def attempt_seconds(remaining_seconds: float, repeat: Repeat) -> float:
    """Return the time for one attempt.

    What may be repeated whatever became of it gets half of what is left, so that a node
    that hangs leaves time to ask another. All else gets everything: once its time ran out
    it cannot be repeated anyway.
    """
    if repeat is Repeat.ALWAYS and remaining_seconds >= _SHORTEST_SPLIT_SECONDS:
        return remaining_seconds / 2
    return remaining_seconds


@dataclass(slots=True)
class Attempts:
    """What became of a call so far, and what may follow. Begun at its first failure."""

    core: Core
    method: Method
    started: float
    timeout_seconds: float
    repeat: Repeat
    hops: int = 0
    made: int = 1
    maybe_applied: bool = False
    backoff: Backoff | None = None

    def note(self, failure: Failure) -> None:
        """Remember that the whole call may have been applied."""
        if failure.outcome is Outcome.MAYBE_APPLIED and self.method not in _READS:
            self.maybe_applied = True

    def follows(self, failure: Failure) -> bool:
        """Whether a failure says where to go instead; what it says is learnt."""
        moved = failure.moved
        if moved is None:
            return False
        self.core.learn_moved(moved)
        return self.hops < MOST_HOPS

    def remaining_seconds(self) -> float:
        return self.timeout_seconds - (self.core.clock() - self.started)

    def wait_seconds(self, failure: Failure) -> float:
        """Return how long to wait before the next attempt, or raise the call's error."""
        if not may_repeat(failure, self.repeat):
            raise self.error(failure)
        if self.backoff is None:
            self.backoff = self.core.policy.backoff(self.started, self.timeout_seconds)
        wait_seconds = self.backoff.next_wait(failure, self.core.clock())
        if wait_seconds is None:
            raise self.error(failure)
        return wait_seconds

    def error(self, failure: Failure) -> ShoalError:
        """Return what to raise when the call fails for good with this failure."""
        outcome = Outcome.MAYBE_APPLIED if self.maybe_applied else Outcome.NOT_APPLIED
        error = error_of(failure, outcome)
        elapsed_ms = (self.core.clock() - self.started) * 1000
        error.add_note(f"{self.method}: {self.made} attempt(s) in {elapsed_ms:.0f} ms")
        return error


def _call_again(
    attempts: Attempts, key: bytes, message: Any, address: str, failure: Failure
) -> Operation[Any]:
    core = attempts.core
    while True:
        attempts.note(failure)
        followed = attempts.follows(failure)
        owner = core.topology.owner_address(key)
        yield RefreshTopology()
        if followed and owner not in ("", address):
            attempts.hops += 1
        else:
            yield Sleep(attempts.wait_seconds(failure))
            owner = core.topology.owner_address(key)
        remaining_seconds = attempts.remaining_seconds()
        if remaining_seconds <= 0:
            raise attempts.error(failure)
        message.routed = owner not in ("", address)
        address = owner if message.routed else core.any_address(avoid=address)
        attempts.made += 1
        seconds = attempt_seconds(remaining_seconds, attempts.repeat)
        answer = yield Call(address, attempts.method, message, seconds)
        if type(answer) is not Failure:
            return answer
        failure = answer
