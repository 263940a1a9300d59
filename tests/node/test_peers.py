"""Asking other nodes over gRPC: what they have, and what silence is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from certificates import LOOPBACK, Authority, write_at_once
from shoal.v1 import replication_pb2 as pb
from shoal.v1.replication_pb2_grpc import (
    ReplicationServicer,
    add_ReplicationServicer_to_server,
)
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.tls import TlsClients, TlsFiles
from shoal_coordinator.registry.records import CopyId, PartitionId
from shoal_node.hearing import PeerCopy, Position
from shoal_node.peers import GrpcPeers, PeerSilent

_PATIENCE_SECONDS = 20


class Peer(ReplicationServicer):
    """Has a whole copy of partition 3 and takes a snapshot of partition 4."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.is_wedged = False

    async def Positions(
        self, request: pb.PositionsRequest, context: grpc.aio.ServicerContext
    ) -> pb.PositionsResponse:
        self.asked.append(list(request.partitions))
        if self.is_wedged:
            await asyncio.sleep(60)
        whole = pb.PartitionPosition(
            partition=3,
            copy_id="run1-x",
            position=pb.CopyPosition(epoch=2, seq=9),
            role=pb.COPY_ROLE_FOLLOWER,
        )
        restoring = pb.PartitionPosition(partition=4, copy_id="run1-y", role=pb.COPY_ROLE_RESTORING)
        return pb.PositionsResponse(partitions=[whole, restoring])


@pytest.fixture
async def peer() -> AsyncIterator[tuple[Peer, str]]:
    server, made = grpc.aio.server(), Peer()
    add_ReplicationServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield made, f"127.0.0.1:{port}"
    await server.stop(None)


async def told_by(peers: GrpcPeers, address: str) -> dict[PartitionId, PeerCopy] | None:
    """None: it is silent."""
    try:
        return await peers.copies(address, [PartitionId(3)])
    except PeerSilent:
        return None


async def test_a_peer_tells_the_copies_that_it_has(peer: tuple[Peer, str]) -> None:
    made, address = peer
    peers = GrpcPeers()
    copies = await peers.copies(address, [PartitionId(3), PartitionId(4), PartitionId(5)])
    await peers.close()
    assert made.asked == [[3, 4, 5]]
    assert copies == {
        PartitionId(3): PeerCopy(PartitionId(3), CopyId("run1-x"), Position(2, 9)),
        PartitionId(4): PeerCopy(PartitionId(4), CopyId("run1-y"), Position(), is_whole=False),
    }


async def test_a_peer_that_does_not_answer_is_silent(peer: tuple[Peer, str]) -> None:
    made, address = peer
    made.is_wedged = True
    peers = GrpcPeers()
    with pytest.raises(PeerSilent, match=address):
        await peers.copies(address, [PartitionId(3)])
    with pytest.raises(PeerSilent):
        await peers.copies("127.0.0.1:1", [PartitionId(3)])
    await peers.close()


async def test_over_tls_a_peer_is_verified_and_called_anew_with_other_certificates(
    tmp_path: Path,
) -> None:
    own = Authority().write(tmp_path, "own", *LOOPBACK)
    tls = LiveTls(TlsFiles(own.certificate, own.key, own.authority).read, TlsClients.CERTIFICATE)
    stranger = Authority().write(tmp_path, "stranger", *LOOPBACK)
    server = grpc.aio.server()
    add_ReplicationServicer_to_server(Peer(), server)
    address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', tls.server_credentials())}"
    await server.start()
    peers = GrpcPeers(tls)
    others = GrpcPeers(
        LiveTls(TlsFiles(stranger.certificate, stranger.key, stranger.authority).read)
    )
    try:
        assert len(await peers.copies(address, [PartitionId(3)])) == 2
        with pytest.raises(PeerSilent):
            await others.copies(address, [PartitionId(3)])
        fresh = Authority()
        own.replace(fresh.issue(*LOOPBACK))
        write_at_once(own.authority, fresh.certificate)
        assert len(await peers.copies(address, [PartitionId(3)])) == 2
        await server.stop(None)
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_ReplicationServicer_to_server(Peer(), server)
        server.add_secure_port(address, tls.server_credentials())
        await server.start()
        # What is asked before the old connection is known to have ended is lost with it.
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (told := await told_by(peers, address)) is None:
                pass
        assert len(told) == 2
    finally:
        await peers.close()
        await others.close()
        await server.stop(None)
