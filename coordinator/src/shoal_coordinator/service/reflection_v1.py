"""Reflection under its v1 name, which grpcio-reflection does not register.

``grpc.reflection.v1`` and ``v1alpha`` have the same messages on the wire, so one
servicer answers both; only the service's name differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection_v1(service_names: Sequence[str], server: grpc.aio.Server) -> None:
    """Serve ``grpc.reflection.v1.ServerReflection`` for these services."""
    servicer = reflection.aio.ReflectionServicer(service_names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(REFLECTION_V1, {"ServerReflectionInfo": handler}),)
    )
