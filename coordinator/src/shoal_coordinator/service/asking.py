"""Asking the coordinator that leads for what it alone knows. A question is passed on once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from shoal.v1 import admin_pb2_grpc
from shoal_coordinator.process.live_tls import LiveTls, open_channel
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.refusing import Context, refuse_leaderless

_TIMEOUT_SECONDS = 5.0
_ASKED_BY = ("shoal-asked-by", "coordinator")

A = TypeVar("A")


async def ask_leader(
    context: Context,
    view: ClusterView,
    tls: LiveTls | None,
    ask: Callable[[Any, float, tuple[tuple[str, str], ...]], Awaitable[A]],
) -> A:
    """``ask`` is given the leader's stub, a timeout and metadata. Refuses without a leader."""
    was_asked = any((key, value) == _ASKED_BY for key, value in context.invocation_metadata() or ())
    if view.leader is None or was_asked:
        await refuse_leaderless(context, "no coordinator leads now")
    address = view.leader.leader.address
    try:
        async with open_channel(address, tls) as channel:
            stub = admin_pb2_grpc.AdminStub(channel)
            return await ask(stub, _TIMEOUT_SECONDS, (_ASKED_BY,))
    except grpc.aio.AioRpcError as error:
        await refuse_leaderless(
            context, f"the coordinator that leads, at {address}, does not answer: {error.details()}"
        )
