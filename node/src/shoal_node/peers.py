"""What other nodes say of their copies, as a port, and over gRPC.

Asked only when a partition is vacant: one call for all of them that the peer may hold.
The answer is an observation, and may be old by the time it is read; who takes over is
decided by compare-and-swap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import grpc

from shoal.v1 import replication_pb2 as pb
from shoal.v1.replication_pb2_grpc import ReplicationStub
from shoal_coordinator.registry.records import CopyId, PartitionId
from shoal_node.hearing import PeerCopy, Position

_DEADLINE_SECONDS: Final = 0.2
_CHANNELS_MAX: Final = 64
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class PeerSilent(Exception):
    """The peer did not answer in time."""


class Peers(Protocol):
    """Other nodes, by the address that they registered."""

    async def copies(
        self, address: str, partitions: Sequence[PartitionId]
    ) -> dict[PartitionId, PeerCopy]:
        """The copies of these partitions that the node has. Raises PeerSilent."""
        ...

    async def close(self) -> None: ...


class GrpcPeers:
    """Keeps a channel to each peer that was asked, up to a bound."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def copies(
        self, address: str, partitions: Sequence[PartitionId]
    ) -> dict[PartitionId, PeerCopy]:
        stub = ReplicationStub(await self._channel(address))
        request = pb.PositionsRequest(partitions=partitions)
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await stub.Positions(
                    request, timeout=_DEADLINE_SECONDS, wait_for_ready=True
                )
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            raise PeerSilent(f"{address} did not tell its positions") from error
        return {copy.partition: copy for copy in map(_peer_copy, answer.partitions)}

    async def close(self) -> None:
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()

    async def _channel(self, address: str) -> grpc.aio.Channel:
        known = self._channels.get(address)
        if known is None:
            if len(self._channels) >= _CHANNELS_MAX:
                await self._channels.pop(next(iter(self._channels))).close()
            known = grpc.aio.insecure_channel(address, options=_OPTIONS)
            self._channels[address] = known
        return known


def _peer_copy(told: pb.PartitionPosition) -> PeerCopy:
    return PeerCopy(
        PartitionId(told.partition),
        CopyId(told.copy_id),
        Position(told.position.epoch, told.position.seq),
        is_whole=told.role != pb.COPY_ROLE_RESTORING,
    )
