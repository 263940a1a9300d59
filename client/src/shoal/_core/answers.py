"""From what a node answers to what callers get.

Functions return a ``Failure`` for an answer that breaks the contract, so that it is
reported, never guessed at.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from shoal._core.failures import Failure, bad_answer, failure_from_key_error
from shoal._values import ABSENT, MISSING, AbsentType, Entry, MissingType, SetResult, Version
from shoal.v1 import cache_pb2

_HIT = cache_pb2.HIT
_MISS = cache_pb2.MISS
_STALE = cache_pb2.STALE
_ABSENT = cache_pb2.ABSENT
_FAILED = cache_pb2.FAILED


def value_of(answer: cache_pb2.GetResponse) -> bytes | MissingType | AbsentType | Failure:
    """Read the answer to a Get, or one entry of an MGet."""
    status = answer.status
    if status == _HIT:
        return answer.value
    if status == _MISS:
        return MISSING
    if status == _ABSENT:
        return ABSENT
    if status == _STALE:
        return answer.value
    if status == _FAILED:
        return failure_from_key_error(answer.error)
    return bad_answer(f"a node answered a read with the status {status}")


def entry_of(answer: cache_pb2.GetResponse) -> Entry | MissingType | AbsentType | Failure:
    """Read the answer to a Get with everything that it says."""
    value = value_of(answer)
    if not isinstance(value, bytes):
        return value
    ttl = timedelta(milliseconds=answer.ttl_ms) if answer.ttl_ms else None
    return Entry(
        value,
        version_of(answer.version),
        ttl,
        answer.maybe_stale,
        is_stale=answer.status == _STALE,
        fresh=timedelta(milliseconds=answer.fresh_ms) if answer.fresh_ms else None,
    )


def set_result_of(answer: cache_pb2.SetResponse) -> SetResult | Failure:
    """Read the answer to a Set, or one result of an MSet."""
    if answer.HasField("error"):
        return failure_from_key_error(answer.error)
    return SetResult(answer.applied, version_of(answer.version))


class Versioned(NamedTuple):
    """What one key of many was answered, with its version for a session to remember."""

    result: Any
    version: Version


class Answered(NamedTuple):
    """What one key of many was answered, and the answer with all that it says."""

    value: bytes | MissingType | AbsentType
    answer: cache_pb2.GetResponse


def answered_of(answer: cache_pb2.GetResponse) -> Answered | Failure:
    """Read one entry of an MGet. The version of a miss is how far the copy had come."""
    value = value_of(answer)
    return value if isinstance(value, Failure) else Answered(value, answer)


def version_of(version: cache_pb2.Version) -> Version:
    """Read a version."""
    return Version(version.epoch, version.seq)
