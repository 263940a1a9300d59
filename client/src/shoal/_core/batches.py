"""How many keys travel in one request: what to send, how to read it, how much at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from shoal._core.answers import Versioned, answered_of, set_result_of, value_of, version_of
from shoal._core.effects import Method
from shoal._core.failures import Failure, bad_answer
from shoal._core.reading import BY_THE_PRIMARY, Reading
from shoal._core.retry import Repeat
from shoal._values import Version
from shoal.v1 import cache_pb2

MOST_KEYS: Final = 1000
"""Of one request. More keys for one node travel in several, in parallel."""

MOST_BYTES: Final = 2 * 1024 * 1024
"""Of the keys and values of one request, well below what nodes take; a single larger
entry travels alone."""

NO_VERSION: Final = Version(0, 0)


class Batch(Protocol):
    """Many keys of one operation. ``indices`` count them in the order of the call."""

    method: ClassVar[Method]
    repeat: ClassVar[Repeat]

    @property
    def is_spread(self) -> bool:
        """Whether another copy than the primary may answer."""
        ...

    @property
    def is_nearest(self) -> bool:
        """Whether a copy in the client's own zone is asked before any other."""
        ...

    def message(self, indices: Sequence[int], *, routed: bool) -> Any:
        """Return the request for some of the keys."""
        ...

    def size_bytes(self, index: int) -> int:
        """Return about how many bytes one key adds to a request."""
        ...

    def results(self, answer: Any, count: int) -> list[Any]:
        """Return a result or a Failure for each of ``count`` keys, in the order sent."""
        ...


@dataclass(frozen=True, slots=True)
class GetBatch:
    """MGet. Results are values, MISSING or ABSENT; where all is asked for, ``Answered``."""

    keys: Sequence[bytes]
    reading: Reading = BY_THE_PRIMARY
    with_answers: bool = False
    method: ClassVar[Method] = "MGet"
    repeat: ClassVar[Repeat] = Repeat.ALWAYS

    def message(self, indices: Sequence[int], *, routed: bool) -> cache_pb2.MGetRequest:
        asked = [self.keys[index] for index in indices]
        reading = self.reading
        message = cache_pb2.MGetRequest(keys=asked, read=reading.mode, routed=routed)
        if reading.at_least:
            # One for each key; 0.0 asks for nothing.
            nothing = cache_pb2.Version()
            message.at_least.extend(reading.of(key) or nothing for key in asked)
        return message

    @property
    def is_spread(self) -> bool:
        return self.reading.is_spread

    @property
    def is_nearest(self) -> bool:
        return self.reading.is_nearest

    def size_bytes(self, index: int) -> int:
        return len(self.keys[index])

    def results(self, answer: cache_pb2.MGetResponse, count: int) -> list[Any]:
        if len(answer.entries) != count:
            return _miscounted(len(answer.entries), count)
        read = answered_of if self.with_answers else value_of
        return [read(entry) for entry in answer.entries]


@dataclass(frozen=True, slots=True)
class SetBatch:
    """MSet, without conditions. Results are SetResults."""

    keys: Sequence[bytes]
    values: Sequence[bytes]
    ttl_ms: int
    ack: cache_pb2.Ack.ValueType
    fresh_ms: int = 0
    tags: Sequence[str] = ()
    is_spread: ClassVar[bool] = False
    is_nearest: ClassVar[bool] = False
    method: ClassVar[Method] = "MSet"
    repeat: ClassVar[Repeat] = Repeat.WHEN_OVER

    def message(self, indices: Sequence[int], *, routed: bool) -> cache_pb2.MSetRequest:
        entries = [
            cache_pb2.SetRequest(
                key=self.keys[index],
                value=self.values[index],
                ttl_ms=self.ttl_ms,
                fresh_ms=self.fresh_ms,
                tags=self.tags,
                ack=self.ack,
            )
            for index in indices
        ]
        return cache_pb2.MSetRequest(entries=entries, routed=routed)

    def size_bytes(self, index: int) -> int:
        tags_bytes = sum(2 + len(tag) for tag in self.tags)
        return len(self.keys[index]) + len(self.values[index]) + tags_bytes

    def results(self, answer: cache_pb2.MSetResponse, count: int) -> list[Any]:
        if len(answer.results) != count:
            return _miscounted(len(answer.results), count)
        return [set_result_of(result) for result in answer.results]


@dataclass(frozen=True, slots=True)
class DelBatch:
    """Del. Results are numbers whose sum is how many keys were there, with versions."""

    keys: Sequence[bytes]
    ack: cache_pb2.Ack.ValueType
    is_spread: ClassVar[bool] = False
    is_nearest: ClassVar[bool] = False
    method: ClassVar[Method] = "Del"
    repeat: ClassVar[Repeat] = Repeat.ALWAYS

    def message(self, indices: Sequence[int], *, routed: bool) -> cache_pb2.DelRequest:
        keys = self.keys
        return cache_pb2.DelRequest(
            keys=[keys[index] for index in indices], ack=self.ack, routed=routed
        )

    def size_bytes(self, index: int) -> int:
        return len(self.keys[index])

    def results(self, answer: cache_pb2.DelResponse, count: int) -> list[Any]:
        # A Del succeeds or fails whole and counts its keys together. Releases before
        # replication tell no versions.
        versions = [version_of(version) for version in answer.versions]
        if len(versions) != count:
            versions = [NO_VERSION] * count
        counts = [answer.deleted, *([0] * (count - 1))]
        return [Versioned(*pair) for pair in zip(counts, versions, strict=True)]


def chunks(batch: Batch, indices: Sequence[int], most_keys: int = MOST_KEYS) -> list[list[int]]:
    """Split keys into requests within ``most_keys`` and MOST_BYTES, in their order."""
    split: list[list[int]] = []
    size_bytes = 0
    for index in indices:
        added_bytes = batch.size_bytes(index)
        if not split or len(split[-1]) == most_keys or size_bytes + added_bytes > MOST_BYTES:
            split.append([])
            size_bytes = 0
        split[-1].append(index)
        size_bytes += added_bytes
    return split


def _miscounted(got: int, asked: int) -> list[Failure]:
    return [bad_answer(f"a node answered {got} of {asked} keys")] * asked
