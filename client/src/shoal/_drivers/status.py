"""From gRPC's exceptions to ``Failure`` values, for both drivers."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_status import rpc_status

from shoal._core.failures import Code, Failure, failure_from_status


def failure_of(error: grpc.RpcError) -> Failure:
    """Read a failed call, of grpc or of grpc.aio."""
    # Both kinds of error are calls as well, which grpc's types do not say.
    call: Any = error
    details: Any = ()
    try:
        status = rpc_status.from_call(call)
    except ValueError:
        # The details contradict the status: what cannot be trusted is not read.
        status = None
    if status is not None:
        details = status.details
    return failure_from_status(call.code().value[0], call.details() or "", details)


def has_lost(error: grpc.RpcError) -> bool:
    """Whether a stream ended because its client was too slow for what it should be told."""
    return failure_of(error).code is Code.RESOURCE_EXHAUSTED


def closed_channel(address: str) -> Failure:
    """Return the failure of a call that found its channel closed: the node has left."""
    return failure_from_status(
        Code.UNAVAILABLE, f"{address} has left the cluster", (), already_sent=False
    )


def cut_off(address: str) -> Failure:
    """Return the failure of a call whose channel was closed while it waited."""
    return failure_from_status(Code.CANCELLED, f"{address} left the cluster while it was asked", ())
