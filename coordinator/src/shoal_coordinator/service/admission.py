"""Who is answered by a coordinator: each call is judged before its method begins.

    Admin         whoever may administer the cluster
    reflection    whoever is known
    health        everybody: whether a coordinator is well is no secret

What one coordinator passes on to the one that leads is taken from whoever is of the cluster.
Without an access file everybody is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from shoal.v1 import admin_pb2
from shoal_coordinator.access.bearer import AUTHORIZATION
from shoal_coordinator.access.policy import Operation
from shoal_coordinator.access.rights import Access, Rights
from shoal_coordinator.process.tls import names_shown
from shoal_coordinator.service.asking import PASSED_ON, was_passed_on
from shoal_coordinator.service.refusing import Context, refuse_forbidden, refuse_nobody

_ADMIN: Final = f"/{admin_pb2.DESCRIPTOR.services_by_name['Admin'].full_name}/"
_HEALTH: Final = "/grpc.health.v1.Health/"

Metadata = tuple[tuple[str, str | bytes], ...]


def is_allowed(method: str, metadata: Metadata, rights: Rights) -> bool:
    """Whether somebody who is known may call this."""
    if not method.startswith(_ADMIN):
        return True
    if rights.may(Operation.ADMIN):
        return True
    name = method.removeprefix(_ADMIN)
    return name in PASSED_ON and was_passed_on(metadata) and rights.may(Operation.PEER)


class Admission(grpc.aio.ServerInterceptor):
    """``access`` tells who may do what now; None: everybody may do everything."""

    def __init__(self, access: Callable[[], Access | None]) -> None:
        self._access = access

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method's handler, behind a look at who calls."""
        method = handler_call_details.method
        # Whoever is known is told that there is none such; nobody else is told anything.
        handler = await continuation(handler_call_details) or _UNSERVED
        if method.startswith(_HEALTH):
            return handler
        return _guarded(handler, lambda context: self._check(method, context))

    async def _check(self, method: str, context: Context) -> None:
        access = self._access()
        if access is None:
            return
        metadata = tuple(context.invocation_metadata() or ())
        shown = [value for key, value in metadata if key == AUTHORIZATION]
        authorization = str(shown[0]) if shown else None
        rights = access.rights(authorization, names_shown(context.auth_context()))
        if rights is None:
            await refuse_nobody(context)
        if not is_allowed(method, metadata, rights):
            await refuse_forbidden(context)


async def _unserved(_request: object, context: Context) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


_UNSERVED: Final[grpc.RpcMethodHandler[Any, Any]] = grpc.unary_unary_rpc_method_handler(_unserved)


def _guarded(
    handler: Any, check: Callable[[Context], Awaitable[None]]
) -> grpc.RpcMethodHandler[Any, Any]:
    async def answer(request: Any, context: Context) -> Any:
        await check(context)
        return await behaviour(request, context)

    async def stream(request: Any, context: Context) -> Any:
        await check(context)
        async for response in behaviour(request, context):
            yield response

    kinds: dict[tuple[bool, bool], tuple[Any, Any, Any]] = {
        (False, False): (handler.unary_unary, answer, grpc.unary_unary_rpc_method_handler),
        (False, True): (handler.unary_stream, stream, grpc.unary_stream_rpc_method_handler),
        (True, False): (handler.stream_unary, answer, grpc.stream_unary_rpc_method_handler),
        (True, True): (handler.stream_stream, stream, grpc.stream_stream_rpc_method_handler),
    }
    behaviour, guard, made = kinds[
        bool(handler.request_streaming), bool(handler.response_streaming)
    ]
    made_of: grpc.RpcMethodHandler[Any, Any] = made(
        guard, handler.request_deserializer, handler.response_serializer
    )
    return made_of
