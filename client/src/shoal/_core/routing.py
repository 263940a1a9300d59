"""One request for one key, until it is answered or fails for good.

    attempt 1        straight to the owner (routed), or to any node while none is known
    MOVED            what it says is learnt, and followed at once, a bounded number of times
    other failures   if the operation may be repeated: the topology is refreshed, and after
                     a backoff the owner is asked; if it is the one that just failed, then
                     any other node, which forwards (unrouted)

A read that any copy may answer goes to one of them, drawn at random, of those in the
client's zone where the nearest is asked for. One that cannot answer leads at once to the
primary, then to the other copies, each once; then it is as above.

Whatever happens ends at the call's deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shoal._core.core import Core
from shoal._core.effects import Call, Method, Operation, RefreshTopology, Sleep
from shoal._core.failures import FORWARD_FAILED, Code, Failure, error_of
from shoal._core.identity import is_id_refused
from shoal._core.retry import Backoff, Repeat, may_repeat
from shoal._errors import Outcome, ShoalError

MOST_HOPS: Final = 4
"""How often a call follows MOVED without waiting."""

PATIENCE_SECONDS: Final = 1.0
"""How long the first attempt may take of what is repeated whatever became of it; each
further one twice as long, so that what merely takes long is answered in the end."""

_READS: Final = frozenset({"Get", "MGet"})
_SHORTEST_SPLIT_SECONDS: Final = 0.2

Doubtful = Callable[[Any], Failure | None]
"""Reads an answer that came after an attempt that may still arrive: a Failure where it
cannot be believed then."""


def call_owner(
    core: Core,
    method: Method,
    key: bytes,
    message: Any,
    timeout_seconds: float,
    repeat: Repeat,
    doubtful: Doubtful | None = None,
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
    attempts = Attempts(core, method, started, timeout_seconds, repeat, doubtful=doubtful)
    return (yield from _call_again(attempts, key, message, address, answer))


def call_any(
    core: Core, method: Method, message: Any, timeout_seconds: float, repeat: Repeat
) -> Operation[Any]:
    """Ask a node, whichever, which has the others do their part. Raises ShoalError."""
    started = core.clock()
    address = core.any_address()
    seconds = attempt_seconds(timeout_seconds, repeat)
    answer = yield Call(address, method, message, seconds)
    if type(answer) is not Failure:
        core.budget.note_success()
        return answer
    attempts = Attempts(core, method, started, timeout_seconds, repeat)
    while type(answer) is Failure:
        attempts.note(answer)
        yield RefreshTopology()
        yield Sleep(attempts.wait_seconds(answer))
        remaining_seconds = attempts.remaining_seconds()
        if remaining_seconds <= 0:
            raise attempts.error(answer)
        address = core.any_address(avoid=address)
        seconds = attempt_seconds(remaining_seconds, repeat, attempts.made)
        attempts.made += 1
        answer = yield Call(address, method, message, seconds)
    return answer


def call_reader(
    core: Core, key: bytes, message: Any, timeout_seconds: float, *, nearest: bool
) -> Operation[Any]:
    """Ask any copy of a key with a Get; return its answer. Raises ShoalError."""
    started = core.clock()
    reader = core.draw_reader(key, nearest=nearest)
    message.routed = reader != ""
    address = reader or core.any_address()
    seconds = attempt_seconds(timeout_seconds, Repeat.ALWAYS)
    answer = yield Call(address, "Get", message, seconds)
    if type(answer) is not Failure:
        core.budget.note_success()
        return answer
    attempts = Attempts(
        core, "Get", started, timeout_seconds, Repeat.ALWAYS, tried_readers={address}
    )
    return (yield from _call_again(attempts, key, message, address, answer))


def attempt_seconds(remaining_seconds: float, repeat: Repeat, made: int = 0) -> float:
    """Return the time for one attempt, after so many others.

    What may be repeated whatever became of it gets half of what is left, and not more than
    its patience, so that a node that hangs leaves time to ask another. All else gets
    everything: once its time ran out it cannot be repeated anyway. It is cut off when its
    node leaves the cluster.
    """
    if repeat is Repeat.ALWAYS and remaining_seconds >= _SHORTEST_SPLIT_SECONDS:
        return min(remaining_seconds / 2, PATIENCE_SECONDS * 2.0 ** min(made, 16))
    return remaining_seconds


@dataclass(slots=True)
class Attempts:
    """What became of a call so far, and what may follow. Begun at its first failure."""

    core: Core
    method: Method
    started: float
    timeout_seconds: float
    repeat: Repeat
    doubtful: Doubtful | None = None
    tried_readers: set[str] | None = None
    """None: the primary alone may answer."""
    hops: int = 0
    made: int = 1
    maybe_applied: bool = False
    may_arrive: bool = False
    """An attempt may still be on its way to a node."""
    backoff: Backoff | None = None

    def note(self, failure: Failure) -> None:
        """Remember that the whole call may have been applied."""
        if failure.outcome is Outcome.MAYBE_APPLIED and self.method not in _READS:
            self.maybe_applied = True
            if failure.code is Code.DEADLINE_EXCEEDED or failure.reason == FORWARD_FAILED:
                self.may_arrive = True

    def follows(self, failure: Failure) -> bool:
        """Whether a failure says where to go instead; what it says is learnt."""
        moved = failure.moved
        if moved is None:
            return False
        self.core.learn_moved(moved)
        return self.hops < MOST_HOPS

    def without_id(self, failure: Failure, message: Any) -> bool:
        """Whether a server does not know request ids, and the request may go without one."""
        if not is_id_refused(failure) or self.maybe_applied or not message.request_id:
            return False
        self.core.ids.refused(self.core.clock())
        message.ClearField("request_id")
        self.repeat = Repeat.NEVER
        return True

    def next_reader(self, failure: Failure, key: bytes) -> str:
        """Return the next copy to ask at once, each one once; "" when there is none."""
        if self.tried_readers is None:
            return ""
        if not may_repeat(failure, self.repeat):
            return ""
        for address in self.core.topology.reader_addresses(key):
            if address not in self.tried_readers:
                self.tried_readers.add(address)
                return address
        return ""

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

    def settled(self, answer: Any) -> Any:
        """Return an answer that came after failures, or raise where it may not be believed."""
        if self.may_arrive and self.doubtful is not None:
            doubt = self.doubtful(answer)
            if doubt is not None:
                raise self.error(doubt)
        return answer

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
        yield RefreshTopology()
        target = core.topology.owner_address(key)
        if reader := attempts.next_reader(failure, key):
            target = reader
        elif followed and target not in ("", address):
            attempts.hops += 1
        elif attempts.without_id(failure, message):
            target = address if message.routed else ""
        else:
            yield Sleep(attempts.wait_seconds(failure))
            target = core.topology.owner_address(key)
            if target == address:
                target = ""
        remaining_seconds = attempts.remaining_seconds()
        if remaining_seconds <= 0:
            raise attempts.error(failure)
        message.routed = target != ""
        address = target or core.any_address(avoid=address)
        seconds = attempt_seconds(remaining_seconds, attempts.repeat, attempts.made)
        attempts.made += 1
        answer = yield Call(address, attempts.method, message, seconds)
        if type(answer) is not Failure:
            return attempts.settled(answer)
        failure = answer
