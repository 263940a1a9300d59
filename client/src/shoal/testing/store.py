"""What the cluster in memory holds, and how it answers: requests in, answers out.

Time is an argument, in milliseconds. Nothing waits here: a caller that has to wait for
another's load is answered ``Parked``, asks again when its key was touched, and for the
last time when its wait is over.

Invariants: versions rise with every write; a fill token is good until its key is written or
deleted, it is given back, or its time is over; at most one of a key is.

Non-goals: memory bounds and eviction, replication, and what a node refuses by its load.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shoal._core.failures import FILL_TOKEN_VOID, NOT_SERVED, Code, Failure
from shoal._errors import Outcome
from shoal.v1 import cache_pb2

EPOCH: Final = 1
LARGEST_VALUE_BYTES: Final = 1024 * 1024
_DEFAULT_LEASE_MS: Final = 10_000
_REMEMBERED_MS: Final = 600_000
_INT64: Final = range(-(2**63), 2**63)


@dataclass(slots=True)
class _Entry:
    value: bytes
    is_absent: bool
    ends_at_ms: int
    """0: it has no end."""
    seq: int


@dataclass(frozen=True, slots=True)
class Parked:
    """Not answered yet: another caller loads this key until then, at the latest."""

    key: bytes
    lease_ends_at_ms: int


class Store:
    """All keys of one cluster. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._leases: dict[bytes, tuple[bytes, int]] = {}
        self._answered: dict[bytes, tuple[Any, int]] = {}
        self._seq = 0
        self._tokens = 0
        self.near_ms = 0
        """Granted with every read of a value; 0: nothing is."""
        self.touched: Callable[[bytes], None] = lambda _: None
        """Called with a key for which a parked caller may be answered now."""

    def clear(self) -> None:
        """Forget every entry and lease. Versions go on rising."""
        keys = [*self._entries, *self._leases]
        self._entries.clear()
        self._leases.clear()
        for key in keys:
            self.touched(key)

    def answer(self, method: str, request: Any, now_ms: int) -> Any:
        """Return the response, a Failure, or Parked for a Get that waits."""
        refused = _not_served(request)
        if refused is not None:
            return refused
        request_id = getattr(request, "request_id", b"")
        if request_id and request_id in self._answered:
            answer, until_ms = self._answered[request_id]
            if now_ms < until_ms:
                return answer
        answer = getattr(self, f"_{method.lower()}")(request, now_ms)
        if request_id and not isinstance(answer, Failure) and getattr(answer, "applied", True):
            self._answered[request_id] = (answer, now_ms + _REMEMBERED_MS)
        return answer

    def _get(self, request: Any, now_ms: int) -> Any:
        found = self._found(request.key, now_ms)
        if found.status != cache_pb2.MISS or not request.HasField("fill"):
            return found
        token, ends_at_ms = self._leases.get(request.key, (b"", 0))
        if token and now_ms < ends_at_ms:
            return Parked(request.key, ends_at_ms) if request.fill.wait_ms > 0 else found
        self._tokens += 1
        token = b"fill %d" % self._tokens
        lease_ms = request.fill.lease_ms or _DEFAULT_LEASE_MS
        self._leases[request.key] = (token, now_ms + lease_ms)
        found.fill_token = token
        return found

    def _mget(self, request: Any, now_ms: int) -> Any:
        return cache_pb2.MGetResponse(entries=[self._found(key, now_ms) for key in request.keys])

    def _set(self, request: Any, now_ms: int) -> Any:
        if len(request.value) > LARGEST_VALUE_BYTES:
            return _failure(
                Code.INVALID_ARGUMENT, "VALUE_TOO_LARGE", "values hold up to 1 MiB by default"
            )
        if request.fill_token:
            token, ends_at_ms = self._leases.get(request.key, (b"", 0))
            if token != request.fill_token or now_ms >= ends_at_ms:
                return _failure(
                    Code.FAILED_PRECONDITION,
                    FILL_TOKEN_VOID,
                    "the key was written or deleted since, or the token's time is over",
                )
        standing = self._live(request.key, now_ms)
        if not _holds(request.condition, standing):
            version = None if standing is None else _version(standing.seq)
            return cache_pb2.SetResponse(applied=False, version=version)
        ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        seq = self._put(request.key, request.value, ends_at_ms, is_absent=request.absent)
        return cache_pb2.SetResponse(applied=True, version=_version(seq))

    def _mset(self, request: Any, now_ms: int) -> Any:
        results = []
        for entry in request.entries:
            answer = self._set(entry, now_ms)
            if isinstance(answer, Failure):
                answer = cache_pb2.SetResponse(
                    error=cache_pb2.KeyError(
                        code=answer.code,
                        reason=answer.reason,
                        message=answer.message,
                        metadata=answer.metadata,
                    )
                )
            results.append(answer)
        return cache_pb2.MSetResponse(results=results)

    def _del(self, request: Any, now_ms: int) -> Any:
        deleted = 0
        versions = []
        for key in request.keys:
            deleted += self._live(key, now_ms) is not None
            self._entries.pop(key, None)
            self._leases.pop(key, None)
            self._seq += 1
            versions.append(_version(self._seq))
            self.touched(key)
        return cache_pb2.DelResponse(deleted=deleted, versions=versions)

    def _incr(self, request: Any, now_ms: int) -> Any:
        standing = self._live(request.key, now_ms)
        ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        number = request.initial
        if standing is not None and not standing.is_absent:
            ends_at_ms = standing.ends_at_ms
            read = _number(standing.value)
            if read is None:
                return _failure(
                    Code.INVALID_ARGUMENT, "NOT_AN_INTEGER", "the value is no decimal integer"
                )
            number = read
        number += request.delta if request.HasField("delta") else 1
        if number not in _INT64:
            return _failure(Code.INVALID_ARGUMENT, "OVERFLOW", "the sum does not fit 64 bits")
        seq = self._put(request.key, str(number).encode(), ends_at_ms, is_absent=False)
        return cache_pb2.IncrResponse(value=number, version=_version(seq))

    def _touch(self, request: Any, now_ms: int) -> Any:
        standing = self._live(request.key, now_ms)
        if standing is None:
            return cache_pb2.TouchResponse(applied=False)
        standing.ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        return cache_pb2.TouchResponse(applied=True, version=_version(standing.seq))

    def _releasefill(self, request: Any, now_ms: int) -> Any:
        token, ends_at_ms = self._leases.get(request.key, (b"", 0))
        released = token == request.fill_token and now_ms < ends_at_ms
        if released:
            del self._leases[request.key]
            self.touched(request.key)
        return cache_pb2.ReleaseFillResponse(released=released)

    def _live(self, key: bytes, now_ms: int) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.ends_at_ms and entry.ends_at_ms <= now_ms:
            del self._entries[key]
            return None
        return entry

    def _found(self, key: bytes, now_ms: int) -> cache_pb2.GetResponse:
        entry = self._live(key, now_ms)
        if entry is None:
            # How far this copy is; a session asks for no less.
            return cache_pb2.GetResponse(status=cache_pb2.MISS, version=_version(self._seq))
        return cache_pb2.GetResponse(
            status=cache_pb2.ABSENT if entry.is_absent else cache_pb2.HIT,
            value=entry.value,
            version=_version(entry.seq),
            ttl_ms=entry.ends_at_ms - now_ms if entry.ends_at_ms else 0,
            near_ms=self.near_ms,
        )

    def _put(self, key: bytes, value: bytes, ends_at_ms: int, *, is_absent: bool) -> int:
        self._seq += 1
        self._entries[key] = _Entry(value, is_absent, ends_at_ms, self._seq)
        self._leases.pop(key, None)
        self.touched(key)
        return self._seq


def _holds(condition: cache_pb2.Condition, standing: _Entry | None) -> bool:
    test = condition.WhichOneof("test")
    if test == "if_version":
        return standing is not None and _version(standing.seq) == condition.if_version
    has_value = standing is not None and not standing.is_absent
    return test is None or has_value == (test == "if_present")


def _not_served(request: Any) -> Failure | None:
    for field in ("fresh_ms", "tags"):
        if field in request.DESCRIPTOR.fields_by_name and getattr(request, field):
            return _failure(
                Code.UNIMPLEMENTED,
                NOT_SERVED,
                f"{field} is not served yet: leave it out",
                field=field,
            )
    return None


def _number(text: bytes) -> int | None:
    """Read what the cluster takes for a number: no plus, no leading zeros, no spaces."""
    if not text.removeprefix(b"-").isdigit():
        return None
    number = int(text)
    return number if number in _INT64 and str(number).encode() == text else None


def _version(seq: int) -> cache_pb2.Version:
    return cache_pb2.Version(epoch=EPOCH, seq=seq)


def _failure(code: Code, reason: str, message: str, **metadata: str) -> Failure:
    told = {"outcome": str(Outcome.NOT_APPLIED), **metadata}
    return Failure(code, reason, Outcome.NOT_APPLIED, message, told)
