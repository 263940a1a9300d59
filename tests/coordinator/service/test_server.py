"""The server as any client sees it: Admin, health, reflection v1 and v1alpha."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from cluster_views import CONFIG, live, member, view
from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2
from shoal_coordinator.errors import CannotListen
from shoal_coordinator.membership import Command, Refused
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.registry.operations import MemberStands
from shoal_coordinator.registry.port import OutcomeUnknown, StoreUnavailable
from shoal_coordinator.registry.records import ClusterConfig, RebalanceMode, RebalancePolicy
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.admin import Changers
from shoal_coordinator.service.server import Server

LOOPBACK = HostPort("127.0.0.1", 0)
REQUEST = admin_pb2.GetClusterStatusRequest()


class Served:
    def __init__(self, server: Server, address: HostPort) -> None:
        self.server = server
        self.address = address
        self.channel = grpc.aio.insecure_channel(str(address))
        self.view: ClusterView | None = None
        self.config: ClusterConfig | None = None
        self.error: Exception | None = None

    async def change(
        self, change: Callable[[ClusterConfig], ClusterConfig]
    ) -> ClusterConfig | None:
        if self.error is not None:
            raise self.error
        self.config = None if self.config is None else change(self.config)
        return self.config

    async def change_membership(self, command: Command) -> MemberStands | Refused:
        """By the view that stands; nothing is written."""
        if self.error is not None:
            raise self.error
        assert self.view is not None
        decided = command(self.view)
        if isinstance(decided, Refused):
            return decided
        is_new = self.view.members.get(decided.member.id) != decided.member
        return MemberStands(decided.member, changed=is_new)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    views: list[Served] = []

    async def change(
        change: Callable[[ClusterConfig], ClusterConfig],
    ) -> ClusterConfig | None:
        return await views[0].change(change)

    async def change_membership(command: Command) -> MemberStands | Refused:
        return await views[0].change_membership(command)

    server = Server(lambda: views[0].view, Changers(change, change_membership))
    serving = Served(server, await server.start(LOOPBACK))
    views.append(serving)
    yield serving
    await serving.channel.close()
    await server.stop(0)


async def test_the_status_comes_from_the_newest_view(served: Served) -> None:
    served.view = view(nodes=(live("a"),), revision=42)
    status = await admin_pb2_grpc.AdminStub(served.channel).GetClusterStatus(REQUEST, timeout=5)
    assert status.revision == 42
    assert [node.registration.id for node in status.nodes] == ["a"]


async def test_before_the_first_view_the_caller_is_told_to_ask_again(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await admin_pb2_grpc.AdminStub(served.channel).GetClusterStatus(REQUEST, timeout=5)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    status = rpc_status.from_call(failed.value)
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.domain, info.reason) == ("shoal", "NOT_READY")
    assert info.metadata["outcome"] == "NOT_APPLIED"


async def test_health_is_live_at_once_and_ready_with_a_view(served: Served) -> None:
    async def of(service: str) -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await health_pb2_grpc.HealthStub(served.channel).Check(request, timeout=5)
        status: int = answer.status
        return status

    assert await of("") == health_pb2.HealthCheckResponse.SERVING
    assert await of("shoal.v1.Admin") == health_pb2.HealthCheckResponse.NOT_SERVING
    await served.server.be_ready()
    assert await of("shoal.v1.Admin") == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes(served: Served, version: str) -> None:
    call = served.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="shoal.v1.Admin"),
        # grpcurl asks for every service that it was listed.
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol=f"grpc.reflection.{version}.ServerReflection"
        ),
    ]
    answers = [answer async for answer in call(iter(requests), timeout=5)]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {"shoal.v1.Admin", "grpc.health.v1.Health"} <= names
    assert f"grpc.reflection.{version}.ServerReflection" in names
    assert len(answers[1].file_descriptor_response.file_descriptor_proto) == 2
    assert answers[2].file_descriptor_response.file_descriptor_proto


async def test_an_address_that_is_taken_is_refused_with_a_sentence(served: Served) -> None:
    second = Server(lambda: None, Changers(served.change, served.change_membership))
    with pytest.raises(CannotListen, match="cannot be bound"):
        await second.start(served.address)
    await second.stop(0)


async def test_the_policy_is_changed_and_what_stands_is_answered(served: Served) -> None:
    served.config = CONFIG
    stub = admin_pb2_grpc.AdminStub(served.channel)
    to_lru = admin_pb2.UpdateConfigRequest(eviction=registry_pb2.EVICTION_POLICY_LRU)
    answer = await stub.UpdateConfig(to_lru, timeout=5)
    assert answer.config.eviction == registry_pb2.EVICTION_POLICY_LRU
    assert answer.config.cluster_id == CONFIG.cluster_id
    # Nothing asked for: nothing changed, and told all the same.
    answer = await stub.UpdateConfig(admin_pb2.UpdateConfigRequest(), timeout=5)
    assert answer.config.eviction == registry_pb2.EVICTION_POLICY_LRU
    to_keep = admin_pb2.UpdateConfigRequest(unclean=registry_pb2.UNCLEAN_POLICY_KEEP)
    answer = await stub.UpdateConfig(to_keep, timeout=5)
    assert answer.config.unclean == registry_pb2.UNCLEAN_POLICY_KEEP
    assert answer.config.eviction == registry_pb2.EVICTION_POLICY_LRU


async def test_the_rate_of_snapshots_is_changed_and_only_when_it_is_named(served: Served) -> None:
    served.config = CONFIG
    stub = admin_pb2_grpc.AdminStub(served.channel)
    for asked, stands in ((1 << 20, 1 << 20), (None, 1 << 20), (0, 0)):
        request = admin_pb2.UpdateConfigRequest(snapshot_bytes_per_second=asked)
        answer = await stub.UpdateConfig(request, timeout=5)
        assert answer.config.snapshot_bytes_per_second == stands
    with pytest.raises(grpc.aio.AioRpcError, match="would never end: take 65536 or more") as raised:
        await stub.UpdateConfig(
            admin_pb2.UpdateConfigRequest(snapshot_bytes_per_second=1000), timeout=5
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("error", "reason", "outcome"),
    [
        (None, "NOT_READY", "NOT_APPLIED"),
        (StoreUnavailable("down"), "REGISTRY_UNAVAILABLE", "NOT_APPLIED"),
        (OutcomeUnknown("lost"), "REGISTRY_UNAVAILABLE", "MAYBE_APPLIED"),
    ],
)
async def test_a_change_that_could_not_be_written_says_what_became_of_it(
    served: Served, error: Exception | None, reason: str, outcome: str
) -> None:
    served.error = error
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await admin_pb2_grpc.AdminStub(served.channel).UpdateConfig(
            admin_pb2.UpdateConfigRequest(), timeout=5
        )
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    status = rpc_status.from_call(raised.value)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.metadata["outcome"]) == (reason, outcome)


@pytest.mark.parametrize("written", [b"\x08\x63", b"\x10\x63"])
async def test_a_policy_of_a_newer_release_is_refused(served: Served, written: bytes) -> None:
    served.config = CONFIG
    request = admin_pb2.UpdateConfigRequest.FromString(written)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await admin_pb2_grpc.AdminStub(served.channel).UpdateConfig(request, timeout=5)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_member_is_changed_and_what_stands_is_answered(served: Served) -> None:
    served.view = view(
        nodes=tuple(map(live, "abc")), members=tuple(map(member, "abc")), config=CONFIG
    )
    stub = admin_pb2_grpc.AdminStub(served.channel)
    drained = await stub.DrainNode(admin_pb2.DrainNodeRequest(node="a"), timeout=5)
    assert drained.changed
    assert drained.member.state == registry_pb2.MEMBER_STATE_DRAINING
    kept = await stub.DrainNode(admin_pb2.DrainNodeRequest(node="a", cancel=True), timeout=5)
    assert not kept.changed
    assert kept.member.state == registry_pb2.MEMBER_STATE_ACTIVE
    assert not (await stub.AddNode(admin_pb2.AddNodeRequest(node="a"), timeout=5)).changed
    removed = await stub.RemoveNode(admin_pb2.RemoveNodeRequest(node="a"), timeout=5)
    assert removed.member.state == registry_pb2.MEMBER_STATE_LEFT
    weighed = await stub.SetNodeWeight(
        admin_pb2.SetNodeWeightRequest(node="a", weight=0), timeout=5
    )
    assert (weighed.member.weight, weighed.member.weight_is_set) == (0, True)
    own = await stub.SetNodeWeight(admin_pb2.SetNodeWeightRequest(node="a"), timeout=5)
    assert (own.member.weight, own.member.weight_is_set) == (100, False)


@pytest.mark.parametrize(
    ("node", "code", "reason", "sentence"),
    [
        ("a", grpc.StatusCode.FAILED_PRECONDITION, "TOO_FEW_NODES", "would leave 0 nodes"),
        ("b", grpc.StatusCode.NOT_FOUND, "NODE_UNKNOWN", "shoal node list"),
        ("/", grpc.StatusCode.INVALID_ARGUMENT, None, "is not usable"),
    ],
)
async def test_a_refused_command_says_why(
    served: Served, node: str, code: grpc.StatusCode, reason: str | None, sentence: str
) -> None:
    served.view = view(nodes=(live("a"),), members=(member("a"),))
    with pytest.raises(grpc.aio.AioRpcError, match=sentence) as raised:
        await admin_pb2_grpc.AdminStub(served.channel).DrainNode(
            admin_pb2.DrainNodeRequest(node=node), timeout=5
        )
    assert raised.value.code() is code
    status = rpc_status.from_call(raised.value)
    if reason is not None:
        info = error_details_pb2.ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(info)
        assert (info.reason, info.metadata["outcome"]) == (reason, "NOT_APPLIED")


async def test_the_policy_of_moves_is_changed_field_by_field(served: Served) -> None:
    served.config = CONFIG
    stub = admin_pb2_grpc.AdminStub(served.channel)
    change = admin_pb2.RebalanceChange(
        moves_max=3, window_from_minute=120, window_minutes=60, abort_on_lost_node=True
    )
    answer = await stub.UpdateConfig(admin_pb2.UpdateConfigRequest(rebalance=change), timeout=5)
    assert answer.config.rebalance.moves_max == 3
    assert answer.config.rebalance.abort_on_lost_node
    paused = admin_pb2.RebalanceChange(mode=registry_pb2.REBALANCE_MODE_PAUSED, moves_max=0)
    answer = await stub.UpdateConfig(admin_pb2.UpdateConfigRequest(rebalance=paused), timeout=5)
    assert served.config.rebalance == RebalancePolicy(
        mode=RebalanceMode.PAUSED,
        window_from_minute=120,
        window_minutes=60,
        abort_on_lost_node=True,
    )


@pytest.mark.parametrize(
    "change",
    [
        admin_pb2.RebalanceChange(window_from_minute=1440),
        admin_pb2.RebalanceChange(moves_max=1 << 20),
        admin_pb2.RebalanceChange.FromString(b"\x08\x63"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused(
    served: Served, change: admin_pb2.RebalanceChange
) -> None:
    served.config = CONFIG
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await admin_pb2_grpc.AdminStub(served.channel).UpdateConfig(
            admin_pb2.UpdateConfigRequest(rebalance=change), timeout=5
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert served.config == CONFIG
