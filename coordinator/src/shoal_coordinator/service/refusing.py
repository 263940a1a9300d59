"""How the admin service says no: a code, a reason of ``docs/reasons.md``, and a sentence."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shoal_coordinator.membership import Reason, Refused
from shoal_coordinator.registry.port import OutcomeUnknown

Context = grpc.aio.ServicerContext[Any, Any]

_RETRY = duration_pb2.Duration(nanos=500_000_000)


async def refuse_bad(context: Context, sentence: str) -> NoReturn:
    """The request cannot be meant."""
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    raise AssertionError("abort raises")


async def refuse_command(context: Context, refused: Refused) -> NoReturn:
    """The change would harm. Repeating it is no use while things stand as they do."""
    is_unknown = refused.reason is Reason.NODE_UNKNOWN
    code = code_pb2.NOT_FOUND if is_unknown else code_pb2.FAILED_PRECONDITION
    await _refuse(context, code, refused.reason, "NOT_APPLIED", refused.why)


async def refuse_unwritten(context: Context, error: Exception) -> NoReturn:
    is_unknown = isinstance(error, OutcomeUnknown)
    await _refuse(
        context,
        code_pb2.UNAVAILABLE,
        "REGISTRY_UNAVAILABLE",
        "MAYBE_APPLIED" if is_unknown else "NOT_APPLIED",
        f"the change could not be written: {error}; ask again, the same change is safe",
    )


async def refuse_unready(context: Context) -> NoReturn:
    await _refuse(
        context,
        code_pb2.UNAVAILABLE,
        "NOT_READY",
        "NOT_APPLIED",
        "this coordinator has not read the registry yet: ask again, or ask another one",
    )


async def refuse_leaderless(context: Context, why: str) -> NoReturn:
    await _refuse(
        context, code_pb2.UNAVAILABLE, "NO_LEADER", "NOT_APPLIED", f"{why}: ask again in a moment"
    )


async def refuse_nobody(context: Context) -> NoReturn:
    """The caller shows nothing that the access file has."""
    await _refuse(
        context,
        code_pb2.UNAUTHENTICATED,
        "UNAUTHENTICATED",
        "NOT_APPLIED",
        "this coordinator's access file has nobody who shows that: show a token or a certificate "
        "that it has",
    )


async def refuse_forbidden(context: Context) -> NoReturn:
    """The caller is known, and is no administrator."""
    await _refuse(
        context,
        code_pb2.PERMISSION_DENIED,
        "PERMISSION_DENIED",
        "NOT_APPLIED",
        "no role of this caller allows it to admin the cluster: ask whoever keeps the access file "
        "for a role that does",
    )


async def _refuse(
    context: Context, code: code_pb2.Code, reason: str, outcome: str, sentence: str
) -> NoReturn:
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain="shoal", metadata={"outcome": outcome})
    ]
    if code == code_pb2.UNAVAILABLE:
        details.append(error_details_pb2.RetryInfo(retry_delay=_RETRY))
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = rpc_status.to_status(status_pb2.Status(code=code, message=sentence, details=packed))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort raises")
