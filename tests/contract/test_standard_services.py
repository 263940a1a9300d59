"""Health and reflection, as tools that know nothing of Shoal use them."""

from __future__ import annotations

import itertools

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

pytestmark = pytest.mark.cluster
DEADLINE_SECONDS = 10


@pytest.mark.parametrize("service", ["", "shoal.v1.Cache"])
def test_health_says_serving(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_SECONDS)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_does_not_know_other_services(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="no.such"), timeout=DEADLINE_SECONDS)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_cache(channel: grpc.Channel, version: str) -> None:
    # The messages of both versions are the same on the wire.
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = itertools.islice(ask(iter([request]), timeout=DEADLINE_SECONDS), 1)
    services = {service.name for service in answer.list_services_response.service}
    assert {"shoal.v1.Cache", "grpc.health.v1.Health"} <= services


def test_reflection_describes_what_the_stubs_say(channel: grpc.Channel) -> None:
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName("shoal.v1.Cache")
    assert [method.name for method in service.methods] == [
        "Get",
        "Set",
        "Del",
        "Incr",
        "MGet",
        "MSet",
        "Touch",
        "ReleaseFill",
        "InvalidateTag",
        "Execute",
        "WatchTopology",
        "WatchInvalidations",
    ]
