"""Many keys, one request per node, until every key is answered or the call fails.

Works in rounds: what is still open is grouped by owner and asked for in parallel; keys
that have moved, and those for which an answer had no room, go into the next round at once,
others that may be repeated after a backoff. A key that fails for good ends the call at
the end of its round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shoal._core.batches import MOST_KEYS, Batch, chunks
from shoal._core.core import Core
from shoal._core.effects import Call, Operation, Parallel, RefreshTopology, Sleep
from shoal._core.failures import BATCH_TOO_LARGE, MESSAGE_TOO_LARGE, Code, Failure
from shoal._core.retry import may_repeat
from shoal._core.routing import MOST_HOPS, Attempts, attempt_seconds
from shoal._errors import Outcome

_OPEN: Final = object()


def call_owners(
    core: Core, keys: Sequence[bytes], batch: Batch, timeout_seconds: float
) -> Operation[list[Any]]:
    """Ask the owners of all keys; return one result per key, in their order.

    Raises ShoalError if one of the keys fails for good. Its outcome is MAYBE_APPLIED
    where other keys of a write were applied.
    """
    attempts = Attempts(core, batch.method, core.clock(), timeout_seconds, batch.repeat)
    round_ = _Round(batch, keys)
    results: list[Any] = [_OPEN] * len(keys)
    remaining_seconds = timeout_seconds
    while True:
        parts = round_.parts(core)
        seconds = attempt_seconds(remaining_seconds, batch.repeat, attempts.made - 1)
        calls = [
            Call(
                part.address, batch.method, batch.message(part.indices, routed=part.routed), seconds
            )
            for part in parts
        ]
        answers = [(yield calls[0])] if len(calls) == 1 else (yield Parallel(calls))
        failures = _settle(round_, parts, answers, results)
        if not round_.open:
            core.budget.note_success()
            return results
        if not failures:
            # Answers were too large for all keys; each round leaves fewer.
            remaining_seconds = attempts.remaining_seconds()
            if remaining_seconds <= 0:
                raise attempts.error(_out_of_time(len(round_.open)))
            continue
        for failure in failures.values():
            attempts.note(failure)
        if any(result is not _OPEN for result in results) and batch.method != "MGet":
            attempts.maybe_applied = True
        yield RefreshTopology()
        wait_seconds = _next_round(attempts, round_, failures)
        if wait_seconds:
            yield Sleep(wait_seconds)
        remaining_seconds = attempts.remaining_seconds()
        attempts.made += 1
        if remaining_seconds <= 0:
            raise attempts.error(_worst(failures.values()))


@dataclass(frozen=True, slots=True)
class _Part:
    """One request of a round."""

    address: str
    routed: bool
    indices: list[int]


@dataclass(slots=True)
class _Round:
    """The keys that are still open, and where each was asked for last in vain."""

    batch: Batch
    keys: Sequence[bytes]
    open: list[int] = field(default_factory=list)
    failed_at: dict[int, str] = field(default_factory=dict)
    no_room: set[int] = field(default_factory=set)
    """Of the open keys those that found no room in the last answer."""
    most_keys: int = MOST_KEYS
    """Of one request; falls when a whole answer was too large to be received."""

    def __post_init__(self) -> None:
        self.open = list(range(len(self.keys)))

    def parts(self, core: Core) -> list[_Part]:
        """Group the open keys by the node to ask."""
        topology = core.topology
        groups: dict[tuple[str, bool], list[int]] = {}
        fallbacks: dict[str, str] = {}
        readers = _Readers(core, self.batch) if self.batch.is_spread else None
        for index in self.open:
            key = self.keys[index]
            failed_at = self.failed_at.get(index, "")
            owner = (
                readers.pick(key, failed_at) if readers is not None else topology.owner_address(key)
            )
            if owner and owner != failed_at:
                groups.setdefault((owner, True), []).append(index)
            else:
                # One other node for all keys that failed at the same, not one for each.
                if failed_at not in fallbacks:
                    fallbacks[failed_at] = core.any_address(avoid=failed_at)
                groups.setdefault((fallbacks[failed_at], False), []).append(index)
        return [
            _Part(address, routed, chunk)
            for (address, routed), indices in groups.items()
            for chunk in chunks(self.batch, indices, self.most_keys)
        ]


class _Readers:
    """Which copy is asked for the keys of each partition in one round."""

    def __init__(self, core: Core, batch: Batch) -> None:
        self._core = core
        self._is_nearest = batch.is_nearest
        self._picked: dict[tuple[str, ...], str] = {}

    def pick(self, key: bytes, failed_at: str) -> str:
        """Return a copy at random; after a failure the first other one, primaries first."""
        addresses = self._core.topology.reader_addresses(key)
        if failed_at:
            return next((address for address in addresses if address != failed_at), "")
        if not addresses:
            return ""
        # Partitions with the same copies go to the same one: few requests, and the next
        # round draws anew.
        copies = tuple(sorted(addresses))
        if copies not in self._picked:
            self._picked[copies] = self._core.draw_reader(key, nearest=self._is_nearest)
        return self._picked[copies]


def _settle(
    round_: _Round, parts: Sequence[_Part], answers: Sequence[Any], results: list[Any]
) -> dict[int, Failure]:
    """Store what was answered; return the failures of the keys that were not."""
    failures: dict[int, Failure] = {}
    round_.no_room = set()
    for part, answer in zip(parts, answers, strict=True):
        count = len(part.indices)
        if _is_too_large(round_.batch, answer) and count > 1:
            round_.most_keys = min(round_.most_keys, count // 2)
            round_.no_room.update(part.indices)
            continue
        told = [answer] * count if type(answer) is Failure else round_.batch.results(answer, count)
        for index, result in zip(part.indices, told, strict=True):
            if type(result) is not Failure:
                results[index] = result
            elif result.reason == BATCH_TOO_LARGE and index != part.indices[0]:
                # The first one found room, so that the next round is smaller.
                round_.no_room.add(index)
            else:
                failures[index] = result
                round_.failed_at[index] = part.address
    round_.open = sorted(failures.keys() | round_.no_room)
    return failures


def _is_too_large(batch: Batch, answer: Any) -> bool:
    return (
        batch.method == "MGet"
        and type(answer) is Failure
        and answer.code is Code.RESOURCE_EXHAUSTED
        and answer.reason == MESSAGE_TOO_LARGE
    )


def _out_of_time(keys_left: int) -> Failure:
    return Failure(
        Code.DEADLINE_EXCEEDED,
        Code.DEADLINE_EXCEEDED.name,
        Outcome.NOT_APPLIED,
        f"the values are too large for one answer, and time ran out with {keys_left} keys left: "
        "ask for fewer at once, or allow more time",
    )


def _next_round(attempts: Attempts, round_: _Round, failures: dict[int, Failure]) -> float:
    """Return how long to wait before the next round, or raise the call's error."""
    waiting = []
    topology_before = attempts.core.topology
    for index, failure in failures.items():
        if not _goes_on_at_once(attempts, round_, index, failure):
            waiting.append(failure)
    if not waiting:
        attempts.hops += 1
        return 0.0
    if attempts.core.topology is not topology_before:
        attempts.hops += 1
    return attempts.wait_seconds(_worst(waiting, attempts))


def _goes_on_at_once(attempts: Attempts, round_: _Round, index: int, failure: Failure) -> bool:
    """Whether a key has another node to be asked of without waiting."""
    follows = attempts.follows(failure)
    if not round_.batch.is_spread:
        return follows and _leads_elsewhere(attempts.core, round_, index)
    readers = attempts.core.topology.reader_addresses(round_.keys[index])
    is_elsewhere = any(address != round_.failed_at[index] for address in readers)
    return is_elsewhere and attempts.hops < MOST_HOPS and may_repeat(failure, attempts.repeat)


def _leads_elsewhere(core: Core, round_: _Round, index: int) -> bool:
    return core.topology.owner_address(round_.keys[index]) not in ("", round_.failed_at[index])


def _worst(failures: Iterable[Failure], attempts: Attempts | None = None) -> Failure:
    """Return the failure that decides: one that must not be repeated, or may have applied."""

    def badness(failure: Failure) -> tuple[bool, bool, float]:
        fatal = attempts is not None and not may_repeat(failure, attempts.repeat)
        return (
            fatal,
            failure.outcome is Outcome.MAYBE_APPLIED,
            failure.retry_after_seconds,
        )

    return max(failures, key=badness)
