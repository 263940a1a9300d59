"""The admin API over TLS, and coordinators that ask each other over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from certificates import LOOPBACK, Authority, WrittenTls, serial_served, write_at_once
from cluster_views import live, member, record, view
from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.live_tls import LiveTls, open_channel
from shoal_coordinator.process.tls import TlsClients, TlsFiles
from shoal_coordinator.registry.operations import MemberStands
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import ClusterConfig, CoordinatorLeader
from shoal_coordinator.registry.view import ElectedLeader
from shoal_coordinator.service.admin import Changers
from shoal_coordinator.service.server import Server

SEEN = view(nodes=(live("a"),), members=(member("a"),), records=(record(0, "a", preference="a"),))
LOCAL = HostPort("127.0.0.1", 0)


async def nothing(_: object) -> ClusterConfig | None:
    return None


async def nobody(_: object) -> MemberStands:
    raise AssertionError("no member is changed here")


CHANGERS = Changers(nothing, nobody)


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def own(tmp_path: Path, authority: Authority) -> WrittenTls:
    return authority.write(tmp_path, "own", *LOOPBACK)


def live_tls(own: WrittenTls, clients: TlsClients = TlsClients.ANY) -> LiveTls:
    return LiveTls(TlsFiles(own.certificate, own.key, own.authority).read, clients)


@pytest.fixture(params=TlsClients)
async def served(
    own: WrittenTls, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[HostPort, LiveTls]]:
    tls = live_tls(own, request.param)
    server = Server(lambda: SEEN, CHANGERS, tls=tls)
    yield await server.start(LOCAL), tls
    await server.stop(0)


async def asked(channel: grpc.aio.Channel) -> int:
    """How many nodes there are, by an answer over the channel, which is left open."""
    stub = admin_pb2_grpc.AdminStub(channel)
    status = await stub.GetClusterStatus(admin_pb2.GetClusterStatusRequest(), timeout=5)
    return len(status.nodes)


async def test_certificates_change_under_connections_that_live_on(
    served: tuple[HostPort, LiveTls], own: WrittenTls
) -> None:
    address, tls = served
    async with open_channel(str(address), tls) as before:
        assert await asked(before) == 1
        other = Authority()
        fresh = other.issue(*LOOPBACK)
        own.replace(fresh)
        write_at_once(own.authority, other.certificate)
        shown = await asyncio.to_thread(serial_served, address.host, address.port, own)
        assert shown == fresh.serial
        assert await asked(before) == 1
        async with open_channel(str(address), tls) as after:
            assert await asked(after) == 1


async def test_who_is_not_trusted_is_not_answered(
    served: tuple[HostPort, LiveTls], tmp_path: Path, own: WrittenTls
) -> None:
    address, tls = served
    stranger = live_tls(Authority().write(tmp_path, "stranger", "stranger"))
    own_authority = grpc.ssl_channel_credentials(own.authority.read_bytes())
    async with (
        open_channel(str(address), None) as plain,
        open_channel(str(address), stranger) as trusts_another,
        grpc.aio.secure_channel(str(address), own_authority) as shows_none,
    ):
        refused = [plain, trusts_another]
        if tls.clients is TlsClients.CERTIFICATE:
            refused.append(shows_none)
        else:
            assert await asked(shows_none) == 1
        for channel in refused:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await asked(channel)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_leader_is_asked_over_tls(
    served: tuple[HostPort, LiveTls], own: WrittenTls, authority: Authority
) -> None:
    address, tls = served
    # One certificate for all, whatever their addresses are.
    own.replace(authority.issue("coordinator.shoal", "localhost"))
    leader = ElectedLeader(CoordinatorLeader("one", str(address)), Revision(1))
    second = Server(lambda: replace(SEEN, leader=leader), CHANGERS, tls=tls)
    bound = await second.start(LOCAL)
    try:
        async with open_channel(f"localhost:{bound.port}", tls) as channel:
            stub = admin_pb2_grpc.AdminStub(channel)
            with pytest.raises(grpc.aio.AioRpcError, match="no coordinator leads now"):
                await stub.CheckCluster(admin_pb2.CheckClusterRequest(), timeout=5)
    finally:
        await second.stop(0)
