"""The one place where gRPC codes become the client's errors.

A failed call is a ``Failure``: a value that the retry rules read. Only when they give up
does it become an exception of ``shoal._errors``.

What a node says stands in google.rpc.ErrorInfo (domain "shoal"): a reason, and metadata
with "outcome". Where there is none, gRPC itself or something between made the failure:

    code                                    reason             outcome
    UNAVAILABLE, never connected            UNREACHABLE        NOT_APPLIED
    OUT_OF_RANGE, or too large to be sent   MESSAGE_TOO_LARGE  NOT_APPLIED
    RESOURCE_EXHAUSTED                      MESSAGE_TOO_LARGE  MAYBE_APPLIED
    UNIMPLEMENTED                           NOT_SERVED         NOT_APPLIED
    DEADLINE_EXCEEDED                       DEADLINE_EXCEEDED  MAYBE_APPLIED
    UNAVAILABLE, CANCELLED and all others   CONNECTION_LOST    MAYBE_APPLIED

Of a node's own reasons two belong to writes that ask for IN_SYNC, both UNAVAILABLE:

    NOT_REPLICATED    MAYBE_APPLIED   the primary has it; not every copy confirmed in time
    TOO_FEW_COPIES    NOT_APPLIED     refused: fewer copies are in sync than min_in_sync

The outcome always comes from the node, whatever the reason: where it tells none, the
failure counts as MAYBE_APPLIED, but for a request that is wrong in itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

from shoal._core.topology import Moved
from shoal._errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotServed,
    Outcome,
    OutcomeUnknown,
    PermissionDenied,
    ResourceExhausted,
    ServerError,
    ShoalError,
    Unauthenticated,
    Unavailable,
)
from shoal.v1 import cache_pb2

DOMAIN: Final = "shoal"

MOVED: Final = "MOVED"
UNREACHABLE: Final = "UNREACHABLE"
CONNECTION_LOST: Final = "CONNECTION_LOST"
FORWARD_FAILED: Final = "FORWARD_FAILED"
BATCH_TOO_LARGE: Final = "BATCH_TOO_LARGE"
MEMORY_FULL: Final = "MEMORY_FULL"
MESSAGE_TOO_LARGE: Final = "MESSAGE_TOO_LARGE"
NOT_SERVED: Final = "NOT_SERVED"
BAD_ANSWER: Final = "BAD_ANSWER"
FILL_TOKEN_VOID: Final = "FILL_TOKEN_VOID"  # noqa: S105 - a reason

# What grpc says of a call that never left this process. The text is no contract: where
# it changes, the failure counts as MAYBE_APPLIED, which is safe.
_NEVER_SENT = ("failed to connect to all addresses", "DNS resolution failed", "Name resolution")
_TOO_LARGE_TO_SEND = "Sent message larger"


class Code(IntEnum):
    """google.rpc.Code, without importing grpc."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_REFUSED: Final = frozenset(
    {
        Code.INVALID_ARGUMENT,
        Code.UNIMPLEMENTED,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
    }
)
_NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt, or one key of it, failed."""

    code: Code
    reason: str
    outcome: Outcome
    message: str
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    retry_after_seconds: float = 0.0
    """From RetryInfo; 0 where there was none."""

    @property
    def moved(self) -> Moved | None:
        """Where the partition is now, if that is what the failure says."""
        if self.reason != MOVED:
            return None
        try:
            return Moved(
                partition=int(self.metadata["partition"]),
                epoch=int(self.metadata["epoch"]),
                owner=self.metadata["owner"],
                address=self.metadata["address"],
            )
        except (KeyError, ValueError):
            return None


def failure_from_status(
    code: int, message: str, details: Iterable[AnyMessage], *, already_sent: bool = True
) -> Failure:
    """Read a gRPC status. ``details`` are those of google.rpc.Status, none where it has none.

    ``already_sent=False`` states that the request never left this process.
    """
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            detail.Unpack(retry)
    retry_after_seconds = max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    known = _code(code)
    if info.domain == DOMAIN and info.reason:
        metadata = dict(info.metadata)
        return Failure(
            known, info.reason, _outcome(known, metadata), message, metadata, retry_after_seconds
        )
    reason, outcome = _unexplained(known, message, already_sent=already_sent)
    return Failure(known, reason, outcome, message, _NO_METADATA, retry_after_seconds)


def failure_from_key_error(error: cache_pb2.KeyError) -> Failure:
    """Read the failure of one key among many."""
    metadata = dict(error.metadata)
    code = _code(error.code)
    return Failure(code, error.reason, _outcome(code, metadata), error.message, metadata)


def bad_answer(message: str) -> Failure:
    """Return the failure of an answer that breaks the contract."""
    return Failure(Code.INTERNAL, BAD_ANSWER, Outcome.MAYBE_APPLIED, message)


def error_of(failure: Failure, outcome: Outcome) -> ShoalError:
    """Return what to raise when a call has failed for good.

    ``outcome`` is that of the whole call: NOT_APPLIED for a read, and MAYBE_APPLIED where
    an attempt before may have been applied.
    """
    message = failure.message or f"the call failed with {failure.code.name}"
    return _error_class(failure, outcome)(message, reason=failure.reason, outcome=outcome)


def _error_class(failure: Failure, outcome: Outcome) -> type[ShoalError]:
    match failure.code:
        case Code.DEADLINE_EXCEEDED:
            return DeadlineExceeded
        case Code.INVALID_ARGUMENT | Code.OUT_OF_RANGE:
            return InvalidRequest
        case Code.UNIMPLEMENTED:
            return NotServed
        case Code.UNAUTHENTICATED:
            return Unauthenticated
        case Code.PERMISSION_DENIED:
            return PermissionDenied
    if outcome is Outcome.MAYBE_APPLIED:
        return OutcomeUnknown
    match failure.code:
        case Code.RESOURCE_EXHAUSTED:
            return ResourceExhausted
        case Code.UNAVAILABLE | Code.CANCELLED | Code.ABORTED | Code.FAILED_PRECONDITION:
            return Unavailable
    return ServerError


def _code(code: int) -> Code:
    try:
        return Code(code)
    except ValueError:
        return Code.UNKNOWN


def _outcome(code: Code, metadata: Mapping[str, str]) -> Outcome:
    told = metadata.get("outcome")
    if told == Outcome.NOT_APPLIED:
        return Outcome.NOT_APPLIED
    if told is None and code in _REFUSED:
        return Outcome.NOT_APPLIED
    return Outcome.MAYBE_APPLIED


def _unexplained(code: Code, message: str, *, already_sent: bool) -> tuple[str, Outcome]:
    if not already_sent or (code is Code.UNAVAILABLE and message.startswith(_NEVER_SENT)):
        return UNREACHABLE, Outcome.NOT_APPLIED
    match code:
        case Code.DEADLINE_EXCEEDED:
            return "DEADLINE_EXCEEDED", Outcome.MAYBE_APPLIED
        case Code.UNIMPLEMENTED:
            return NOT_SERVED, Outcome.NOT_APPLIED
        case Code.INVALID_ARGUMENT:
            return "MALFORMED_REQUEST", Outcome.NOT_APPLIED
        case Code.OUT_OF_RANGE:
            return MESSAGE_TOO_LARGE, Outcome.NOT_APPLIED
        case Code.RESOURCE_EXHAUSTED:
            never_left = message.startswith(_TOO_LARGE_TO_SEND)
            return MESSAGE_TOO_LARGE, (Outcome.NOT_APPLIED if never_left else Outcome.MAYBE_APPLIED)
        case Code.PERMISSION_DENIED | Code.UNAUTHENTICATED:
            return code.name, Outcome.NOT_APPLIED
    return CONNECTION_LOST, Outcome.MAYBE_APPLIED
