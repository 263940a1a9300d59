"""The endpoints of one etcd: which one is asked now, and which one next.

One is in use until it fails; then it is the next one's turn, round and round. A
failure that is reported late, of an endpoint no longer in use, changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
from grpc import aio

from shoal_coordinator.registry.etcd.channel import open_channel
from shoal_coordinator.registry.etcd.wire import rpc_pb2_grpc as stubs
from shoal_coordinator.registry.port import StoreRefused, StoreUnavailable


class Rotation:
    """Whose turn it is. Any thread may ask, one at a time."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        assert targets
        self.targets = targets
        self._turn = 0

    @property
    def current(self) -> str:
        return self.targets[self._turn]

    def failed(self, target: str) -> None:
        """Go to the next endpoint, if this one is still in use."""
        if target == self.current:
            self._turn = (self._turn + 1) % len(self.targets)


class Endpoint:
    """A connection to one endpoint, with etcd's services on it."""

    def __init__(self, target: str, open_: Callable[[str], aio.Channel]) -> None:
        self.target = target
        self._channel = open_(target)
        self.kv = stubs.KVStub(self._channel)
        self.watch = stubs.WatchStub(self._channel)
        self.lease = stubs.LeaseStub(self._channel)
        self.maintenance = stubs.MaintenanceStub(self._channel)

    async def connected(self, timeout_seconds: float) -> None:
        """Wait until requests can be sent. Raises StoreUnavailable."""
        if self._state() is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._ready()
        except TimeoutError:
            raise self._unreachable() from None

    async def _ready(self) -> None:
        state = self._state()
        while state is not grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)
            state = self._state()
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                raise self._unreachable()

    def _state(self) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect=True)

    def _unreachable(self) -> StoreUnavailable:
        return StoreUnavailable(f"etcd at {self.target.removeprefix('dns:///')} is not reachable")

    async def close(self) -> None:
        await self._channel.close()


class Endpoints:
    """All endpoints, each connected when it is first used."""

    def __init__(
        self, targets: tuple[str, ...], open_: Callable[[str], aio.Channel] = open_channel
    ) -> None:
        self._rotation = Rotation(targets)
        self._open = open_
        self._opened: dict[str, Endpoint] = {}
        self._closed = False

    @property
    def targets(self) -> tuple[str, ...]:
        return self._rotation.targets

    def current(self) -> Endpoint:
        if self._closed:
            raise StoreRefused("the store is closed")
        target = self._rotation.current
        if target not in self._opened:
            self._opened[target] = Endpoint(target, self._open)
        return self._opened[target]

    def failed(self, endpoint: Endpoint) -> None:
        """Ask another one from now on."""
        self._rotation.failed(endpoint.target)

    async def close(self) -> None:
        self._closed = True
        opened, self._opened = self._opened, {}
        for endpoint in opened.values():
            await endpoint.close()
