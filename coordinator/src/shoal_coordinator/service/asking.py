"""Asking the coordinator that leads for what it alone knows. A question is passed on once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import grpc

from shoal.v1 import admin_pb2_grpc
from shoal_coordinator.access.bearer import AUTHORIZATION
from shoal_coordinator.process.live_tls import LiveTls, open_channel_to_twin
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.refusing import Context, refuse_leaderless

_TIMEOUT_SECONDS = 5.0
_ASKED_BY = ("shoal-asked-by", "coordinator")
PASSED_ON: Final = frozenset({"GetRebalance", "CheckCluster"})
"""Methods of Admin that are passed on."""

A = TypeVar("A")


def was_passed_on(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    """Whether another coordinator says that it asks for somebody."""
    return _ASKED_BY in metadata


async def ask_leader(
    context: Context,
    view: ClusterView,
    tls: LiveTls | None,
    ask: Callable[[Any, float, tuple[tuple[str, str], ...]], Awaitable[A]],
) -> A:
    """``ask`` is given the leader's stub, a timeout and metadata. Refuses without a leader.

    The leader is shown the caller's own token, so that it judges who asks.
    """
    metadata = tuple(context.invocation_metadata() or ())
    if view.leader is None or was_passed_on(metadata):
        await refuse_leaderless(context, "no coordinator leads now")
    address = view.leader.leader.address
    try:
        async with open_channel_to_twin(address, tls) as channel:
            stub = admin_pb2_grpc.AdminStub(channel)
            token = tuple((key, str(value)) for key, value in metadata if key == AUTHORIZATION)
            return await ask(stub, _TIMEOUT_SECONDS, (_ASKED_BY, *token))
    except grpc.aio.AioRpcError as error:
        await refuse_leaderless(
            context, f"the coordinator that leads, at {address}, does not answer: {error.details()}"
        )
