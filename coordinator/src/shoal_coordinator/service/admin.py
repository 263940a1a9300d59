"""The ``shoal.v1.Admin`` service. Any coordinator answers: reads from its own view, and
changes by compare-and-swap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2
from shoal_coordinator.registry.codec import (
    RecordCorrupt,
    config_to_pb,
    eviction_from_pb,
    unclean_from_pb,
)
from shoal_coordinator.registry.port import OutcomeUnknown, StoreError
from shoal_coordinator.registry.records import ClusterConfig, Eviction, Unclean
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.explain import SLOT_COUNT, explained
from shoal_coordinator.service.status import status_of

ConfigChanger = Callable[
    [Callable[[ClusterConfig], ClusterConfig]], Awaitable[ClusterConfig | None]
]
"""Changes the configuration that stands, and returns it; None: there is none yet."""

_log = structlog.get_logger(__name__)
SNAPSHOT_BYTES_PER_SECOND_MIN = 64 << 10
_RETRY = duration_pb2.Duration(nanos=500_000_000)


class AdminService(admin_pb2_grpc.AdminServicer):
    """``view`` returns the newest view, or None before the first."""

    def __init__(
        self, view: Callable[[], ClusterView | None], change_config: ConfigChanger
    ) -> None:
        self._view = view
        self._change_config = change_config

    async def GetClusterStatus(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.GetClusterStatusRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[
            admin_pb2.GetClusterStatusRequest, admin_pb2.GetClusterStatusResponse
        ],
    ) -> admin_pb2.GetClusterStatusResponse:
        view = self._view()
        if view is None:
            await _refuse_unready(context)
        return status_of(view)

    async def UpdateConfig(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.UpdateConfigRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.UpdateConfigRequest, admin_pb2.UpdateConfigResponse
        ],
    ) -> admin_pb2.UpdateConfigResponse:
        eviction = eviction_from_pb(request.eviction)
        if eviction is None and request.eviction != registry_pb2.EVICTION_POLICY_UNSPECIFIED:
            await _refuse_unknown(context, "eviction")
        unclean = unclean_from_pb(request.unclean)
        if unclean is None and request.unclean != registry_pb2.UNCLEAN_POLICY_UNSPECIFIED:
            await _refuse_unknown(context, "unclean")
        if 0 < request.snapshot_bytes_per_second < SNAPSHOT_BYTES_PER_SECOND_MIN:
            sentence = (
                f"snapshots at {request.snapshot_bytes_per_second} bytes a second would never "
                f"end: take {SNAPSHOT_BYTES_PER_SECOND_MIN} or more, or 0 for no bound"
            )
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        try:
            config = await self._change_config(partial(_changed, request, eviction, unclean))
        except (StoreError, RecordCorrupt) as error:
            await _refuse_unwritten(context, error)
        if config is None:
            await _refuse_unready(context)
        _log.info(
            f"the configuration was asked for: eviction is {config.eviction}, unclean is "
            f"{config.unclean}, snapshots go at "
            f"{config.snapshot_bytes_per_second or 'any number of'} bytes a second"
        )
        return admin_pb2.UpdateConfigResponse(config=config_to_pb(config))

    async def ExplainRing(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.ExplainRingRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.ExplainRingRequest, admin_pb2.ExplainRingResponse
        ],
    ) -> admin_pb2.ExplainRingResponse:
        view = self._view()
        if view is None or view.config is None:
            await _refuse_unready(context)
        if request.slot >= SLOT_COUNT:
            sentence = f"slots are 0 to {SLOT_COUNT - 1}"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        # The ring of a large cluster has many tokens to sort.
        return await asyncio.to_thread(explained, view, view.config, request.slot)


async def _refuse_unknown(context: grpc.aio.ServicerContext[Any, Any], name: str) -> NoReturn:
    sentence = f"this coordinator knows no such {name} policy: ask one of a newer release"
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
    raise AssertionError("abort raises")


def _changed(
    request: admin_pb2.UpdateConfigRequest,
    eviction: Eviction | None,
    unclean: Unclean | None,
    stands: ClusterConfig,
) -> ClusterConfig:
    rate = stands.snapshot_bytes_per_second
    if request.HasField("snapshot_bytes_per_second"):
        rate = request.snapshot_bytes_per_second
    return replace(
        stands,
        eviction=eviction or stands.eviction,
        unclean=unclean or stands.unclean,
        snapshot_bytes_per_second=rate,
    )


async def _refuse_unwritten(
    context: grpc.aio.ServicerContext[Any, Any], error: Exception
) -> NoReturn:
    is_unknown = isinstance(error, OutcomeUnknown)
    await _refuse(
        context,
        "REGISTRY_UNAVAILABLE",
        "MAYBE_APPLIED" if is_unknown else "NOT_APPLIED",
        f"the configuration could not be written: {error}; ask again, the same change is safe",
    )


async def _refuse_unready(context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    await _refuse(
        context,
        "NOT_READY",
        "NOT_APPLIED",
        "this coordinator has not read the registry yet: ask again, or ask another one",
    )


async def _refuse(
    context: grpc.aio.ServicerContext[Any, Any], reason: str, outcome: str, sentence: str
) -> NoReturn:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="shoal", metadata={"outcome": outcome})
    details = []
    for detail in (info, error_details_pb2.RetryInfo(retry_delay=_RETRY)):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    status = rpc_status.to_status(
        status_pb2.Status(code=code_pb2.UNAVAILABLE, message=sentence, details=details)
    )
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort raises")
