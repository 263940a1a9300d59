"""What the cluster in memory holds, and how it answers: requests in, answers out.

Time is an argument, in milliseconds. Nothing waits here: a caller that has to wait for
another's load is answered ``Parked``, asks again when its key was touched, and for the
last time when its wait is over.

Invariants: versions rise with every write; a fill token is good until its key is written or
deleted, it is given back, or its time is over; at most one of a key is; no value is shown, or
stored with a token, that is older than the invalidation of one of its tags.

Non-goals: memory bounds and eviction, replication, what a node refuses by its load, and
refreshes by chance before a value is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from shoal._core.failures import FILL_TOKEN_VOID, Code, Failure
from shoal._errors import Outcome
from shoal.v1 import cache_pb2

EPOCH: Final = 1
PARTITIONS: Final = 16
LARGEST_VALUE_BYTES: Final = 1024 * 1024
_DEFAULT_LEASE_MS: Final = 10_000
_DEFAULT_BACKOFF_MS: Final = 1000
_REMEMBERED_MS: Final = 600_000
_INT64: Final = range(-(2**63), 2**63)


@dataclass(slots=True)
class _Entry:
    value: bytes
    is_absent: bool
    ends_at_ms: int
    """0: it has no end."""
    seq: int
    fresh_until_ms: int = 0
    """0: it has no such time."""
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class _Lease:
    """Who loads a key."""

    token: bytes
    """Empty: the origin failed, and nobody refreshes the value until then."""
    ends_at_ms: int
    since_seq: int


@dataclass(frozen=True, slots=True)
class Parked:
    """Not answered yet: another caller loads this key until then, at the latest."""

    key: bytes
    lease_ends_at_ms: int


class Store:
    """All keys of one cluster. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._leases: dict[bytes, _Lease] = {}
        self._invalidated: dict[str, int] = {}
        """By which write each tag was invalidated last."""
        self._answered: dict[bytes, tuple[Any, int]] = {}
        self._seq = 0
        self._tokens = 0
        self.near_ms = 0
        """Granted with every read of a value that does not ask for the primary; 0: nothing is."""
        self._granted: set[bytes] = set()
        """Since each of these was changed last."""
        self.changed: Callable[[bytes | None], None] = lambda _: None
        """Called with a granted key that is changed; with None where any may be."""
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
        found = self._granting(request.key, request.read, now_ms)
        entry = self._entries.get(request.key)
        is_stale = entry is not None and 0 < entry.fresh_until_ms <= now_ms
        if not request.HasField("fill") or (entry is not None and not is_stale):
            return found
        fill = request.fill
        is_needed = entry is None or fill.fresh_only
        if is_needed and fill.refresh_only:
            return found
        lease = self._lease(request.key, now_ms)
        if lease is not None and (lease.token or not is_needed):
            waits = is_needed and fill.wait_ms > 0
            return Parked(request.key, lease.ends_at_ms) if waits else found
        if is_needed:
            found = self._miss()
        self._tokens += 1
        found.fill_token = b"fill %d" % self._tokens
        ends_at_ms = now_ms + (fill.lease_ms or _DEFAULT_LEASE_MS)
        self._leases[request.key] = _Lease(found.fill_token, ends_at_ms, self._seq)
        return found

    def _mget(self, request: Any, now_ms: int) -> Any:
        read = request.read
        return cache_pb2.MGetResponse(
            entries=[self._granting(key, read, now_ms) for key in request.keys]
        )

    def _set(self, request: Any, now_ms: int) -> Any:
        if len(request.value) > LARGEST_VALUE_BYTES:
            return _failure(
                Code.INVALID_ARGUMENT, "VALUE_TOO_LARGE", "values hold up to 1 MiB by default"
            )
        if 0 < request.ttl_ms < request.fresh_ms:
            return _failure(
                Code.INVALID_ARGUMENT, "BAD_CONDITION", "fresh_ms is above ttl_ms: raise that"
            )
        if request.fill_token and not self._is_good(request, now_ms):
            return _failure(
                Code.FAILED_PRECONDITION,
                FILL_TOKEN_VOID,
                "the key was written or a tag of it invalidated since, or its time is over",
            )
        standing = self._live(request.key, now_ms)
        if not _holds(request.condition, standing):
            version = None if standing is None else _version(standing.seq)
            return cache_pb2.SetResponse(applied=False, version=version)
        ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        self._seq += 1
        entry = _Entry(request.value, request.absent, ends_at_ms, self._seq)
        entry.fresh_until_ms = now_ms + request.fresh_ms if request.fresh_ms else 0
        entry.tags = tuple(request.tags)
        self._put(request.key, entry)
        return cache_pb2.SetResponse(applied=True, version=_version(self._seq))

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
            self._note_change(key)
        return cache_pb2.DelResponse(deleted=deleted, versions=versions)

    def _incr(self, request: Any, now_ms: int) -> Any:
        standing = self._live(request.key, now_ms)
        ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        number = request.initial
        kept = _Entry(b"", is_absent=False, ends_at_ms=ends_at_ms, seq=0)
        if standing is not None and not standing.is_absent:
            kept = standing
            read = _number(standing.value)
            if read is None:
                return _failure(
                    Code.INVALID_ARGUMENT, "NOT_AN_INTEGER", "the value is no decimal integer"
                )
            number = read
        number += request.delta if request.HasField("delta") else 1
        if number not in _INT64:
            return _failure(Code.INVALID_ARGUMENT, "OVERFLOW", "the sum does not fit 64 bits")
        self._seq += 1
        entry = replace(kept, value=str(number).encode(), seq=self._seq)
        self._put(request.key, entry)
        return cache_pb2.IncrResponse(value=number, version=_version(self._seq))

    def _touch(self, request: Any, now_ms: int) -> Any:
        standing = self._live(request.key, now_ms)
        if standing is None:
            return cache_pb2.TouchResponse(applied=False)
        before_ms = standing.ends_at_ms
        standing.ends_at_ms = now_ms + request.ttl_ms if request.ttl_ms else 0
        if standing.ends_at_ms and (not before_ms or standing.ends_at_ms < before_ms):
            self._note_change(request.key)
        return cache_pb2.TouchResponse(applied=True, version=_version(standing.seq))

    def _releasefill(self, request: Any, now_ms: int) -> Any:
        lease = self._lease(request.key, now_ms)
        released = lease is not None and lease.token == request.fill_token != b""
        if lease is not None and released:
            if request.failed and self._live(request.key, now_ms) is not None:
                lease.token = b""
                lease.ends_at_ms = now_ms + (request.backoff_ms or _DEFAULT_BACKOFF_MS)
            else:
                del self._leases[request.key]
            self.touched(request.key)
        return cache_pb2.ReleaseFillResponse(released=released)

    def _invalidatetag(self, request: Any, _now_ms: int) -> Any:
        self._seq += 1
        self._invalidated[request.tag] = self._seq
        self._granted.clear()
        self.changed(None)
        for key in [*self._leases]:
            self.touched(key)
        versions = [
            cache_pb2.PartitionVersion(partition=number, version=_version(self._seq))
            for number in range(PARTITIONS)
        ]
        return cache_pb2.InvalidateTagResponse(versions=versions)

    def _is_good(self, request: Any, now_ms: int) -> bool:
        """Whether a value may be stored with the token of this request."""
        lease = self._lease(request.key, now_ms)
        if lease is None or lease.token != request.fill_token:
            return False
        if self._last_invalidation(request.tags) > lease.since_seq:
            del self._leases[request.key]
            self.touched(request.key)
            return False
        return True

    def _lease(self, key: bytes, now_ms: int) -> _Lease | None:
        lease = self._leases.get(key)
        return lease if lease is not None and now_ms < lease.ends_at_ms else None

    def _last_invalidation(self, tags: Iterable[str]) -> int:
        return max((self._invalidated.get(tag, 0) for tag in tags), default=0)

    def _live(self, key: bytes, now_ms: int) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        is_over = 0 < entry.ends_at_ms <= now_ms
        if is_over or self._last_invalidation(entry.tags) > entry.seq:
            del self._entries[key]
            return None
        return entry

    def _granting(
        self, key: bytes, read: cache_pb2.ReadMode.ValueType, now_ms: int
    ) -> cache_pb2.GetResponse:
        """Answer a read, and let the caller hold the answer where it may."""
        found = self._found(key, now_ms)
        is_current = found.status in (cache_pb2.HIT, cache_pb2.ABSENT)
        if self.near_ms and is_current and read != cache_pb2.READ_MODE_PRIMARY:
            found.near_ms = self.near_ms
            self._granted.add(key)
        return found

    def _note_change(self, key: bytes) -> None:
        if key in self._granted:
            self._granted.discard(key)
            self.changed(key)

    def _found(self, key: bytes, now_ms: int) -> cache_pb2.GetResponse:
        entry = self._live(key, now_ms)
        if entry is None:
            return self._miss()
        status = cache_pb2.STALE if 0 < entry.fresh_until_ms <= now_ms else cache_pb2.HIT
        return cache_pb2.GetResponse(
            status=cache_pb2.ABSENT if entry.is_absent else status,
            value=entry.value,
            version=_version(entry.seq),
            ttl_ms=entry.ends_at_ms - now_ms if entry.ends_at_ms else 0,
            fresh_ms=max(0, entry.fresh_until_ms - now_ms),
        )

    def _miss(self) -> cache_pb2.GetResponse:
        # How far this copy is; a session asks for no less.
        return cache_pb2.GetResponse(status=cache_pb2.MISS, version=_version(self._seq))

    def _put(self, key: bytes, entry: _Entry) -> None:
        self._entries[key] = entry
        self._leases.pop(key, None)
        self.touched(key)
        self._note_change(key)


def _holds(condition: cache_pb2.Condition, standing: _Entry | None) -> bool:
    test = condition.WhichOneof("test")
    if test == "if_version":
        return standing is not None and _version(standing.seq) == condition.if_version
    has_value = standing is not None and not standing.is_absent
    return test is None or has_value == (test == "if_present")


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
