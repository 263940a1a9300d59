"""What other nodes say of their copies, as a port, and over gRPC.

Asked only when a partition is vacant: one call for all of them that the peer may hold.
The answer is an observation, and may be old by the time it is read; who takes over is
decided by compare-and-swap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import grpc

from shoal.v1 import replication_pb2 as pb
from shoal.v1.replication_pb2_grpc import ReplicationStub
from shoal_coordinator.access.bearer import metadata_of
from shoal_coordinator.process.live_tls import LiveTls, open_channel
from shoal_coordinator.process.tls import TlsContents
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
    """Keeps a channel to each peer that was asked, up to a bound.

    One that is connected is not given up for other certificates.
    """

    def __init__(
        self, tls: LiveTls | None = None, token: Callable[[], str | None] = lambda: None
    ) -> None:
        """``token`` is what peers are shown now."""
        self._token = token
        self._tls = tls
        self._channels: dict[str, tuple[TlsContents | None, grpc.aio.Channel]] = {}

    async def copies(
        self, address: str, partitions: Sequence[PartitionId]
    ) -> dict[PartitionId, PeerCopy]:
        stub = ReplicationStub(await self._channel(address))
        request = pb.PositionsRequest(partitions=partitions)
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await stub.Positions(
                    request,
                    timeout=_DEADLINE_SECONDS,
                    wait_for_ready=True,
                    metadata=metadata_of(self._token()),
                )
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            raise PeerSilent(f"{address} did not tell its positions") from error
        return {copy.partition: copy for copy in map(_peer_copy, answer.partitions)}

    async def close(self) -> None:
        channels, self._channels = self._channels, {}
        for _, channel in channels.values():
            await channel.close()

    async def _channel(self, address: str) -> grpc.aio.Channel:
        contents = None if self._tls is None else self._tls.contents()
        known = self._channels.get(address)
        if known is not None and (known[0] == contents or _is_connected(known[1])):
            return known[1]
        channel = open_channel(address, self._tls, _OPTIONS)
        self._channels[address] = contents, channel
        if known is not None:
            await known[1].close(_DEADLINE_SECONDS)
        elif len(self._channels) > _CHANNELS_MAX:
            _, oldest = self._channels.pop(next(iter(self._channels)))
            await oldest.close(_DEADLINE_SECONDS)
        return channel


def _is_connected(channel: grpc.aio.Channel) -> bool:
    return channel.get_state() is grpc.ChannelConnectivity.READY


def _peer_copy(told: pb.PartitionPosition) -> PeerCopy:
    return PeerCopy(
        PartitionId(told.partition),
        CopyId(told.copy_id),
        Position(told.position.epoch, told.position.seq),
        is_whole=told.role != pb.COPY_ROLE_RESTORING,
    )
