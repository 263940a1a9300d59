"""The ``shoal.v1.Admin`` service. Any coordinator answers from its own view."""

from __future__ import annotations

from collections.abc import Callable

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.status import status_of

_RETRY = duration_pb2.Duration(nanos=500_000_000)


class AdminService(admin_pb2_grpc.AdminServicer):
    """Reads only; ``view`` returns the newest view, or None before the first."""

    def __init__(self, view: Callable[[], ClusterView | None]) -> None:
        self._view = view

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
        assert view is not None
        return status_of(view)


async def _refuse_unready(
    context: grpc.aio.ServicerContext[
        admin_pb2.GetClusterStatusRequest, admin_pb2.GetClusterStatusResponse
    ],
) -> None:
    info = error_details_pb2.ErrorInfo(
        reason="NOT_READY", domain="shoal", metadata={"outcome": "NOT_APPLIED"}
    )
    details = []
    for detail in (info, error_details_pb2.RetryInfo(retry_delay=_RETRY)):
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)
    sentence = "this coordinator has not read the registry yet: ask again, or ask another one"
    status = rpc_status.to_status(
        status_pb2.Status(code=code_pb2.UNAVAILABLE, message=sentence, details=details)
    )
    await context.abort(status.code, status.details, status.trailing_metadata)
