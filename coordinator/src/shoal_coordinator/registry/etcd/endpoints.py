"""The endpoints of one etcd: which one is asked now, and which one next.

One is in use until it fails; then it is the next one's turn, round and round. A
failure that is reported late, of an endpoint no longer in use, changes nothing.

A channel keeps the credentials that it was opened with, for as long as it is connected: others
may turn out to be of no use, and what works is not given up for them. Once it is not connected
the next call opens a new one; what still runs on the old one ends there, and it is closed after
that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakSet

import grpc

from shoal_coordinator.registry.etcd.channel import open_channel
from shoal_coordinator.registry.etcd.credentials import (
    EtcdCredentials,
    TellCredentials,
    no_credentials,
)
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

    def __init__(self, target: str, credentials: EtcdCredentials | None) -> None:
        self.target = target
        self.credentials = credentials
        self._channel = open_channel(target, credentials)
        self._users = 0
        self._is_retired = False
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

    @property
    def is_connected(self) -> bool:
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    def _state(self) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect=True)

    def _unreachable(self) -> StoreUnavailable:
        how = "" if self.credentials is None else ", or the certificates do not fit"
        place = self.target.removeprefix("dns:///")
        return StoreUnavailable(f"etcd at {place} is not reachable{how}")

    @contextlib.asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Meanwhile it is not closed for its age."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            await self._close_if_done()

    async def retire(self) -> None:
        """Close it, once nobody uses it."""
        self._is_retired = True
        await self._close_if_done()

    async def close(self) -> None:
        await self._channel.close()

    async def _close_if_done(self) -> None:
        if self._is_retired and not self._users:
            await self.close()


class Endpoints:
    """All endpoints, each connected when it is first used."""

    def __init__(
        self, targets: tuple[str, ...], credentials: TellCredentials = no_credentials
    ) -> None:
        self._rotation = Rotation(targets)
        self._credentials = credentials
        self._opened: dict[str, Endpoint] = {}
        self._retired: WeakSet[Endpoint] = WeakSet()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def targets(self) -> tuple[str, ...]:
        return self._rotation.targets

    def current(self) -> Endpoint:
        if self._closed:
            raise StoreRefused("the store is closed")
        target, credentials = self._rotation.current, self._credentials()
        opened = self._opened.get(target)
        if opened is not None and (opened.credentials == credentials or opened.is_connected):
            return opened
        if opened is not None:
            self._retired.add(opened)
            retiring = asyncio.create_task(opened.retire())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        self._opened[target] = Endpoint(target, credentials)
        return self._opened[target]

    def failed(self, endpoint: Endpoint) -> None:
        """Ask another one from now on, unless this one has been replaced already."""
        if self._opened.get(endpoint.target) is endpoint:
            self._rotation.failed(endpoint.target)

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*self._retiring)
        opened, self._opened = self._opened, {}
        for endpoint in (*opened.values(), *self._retired):
            await endpoint.close()
