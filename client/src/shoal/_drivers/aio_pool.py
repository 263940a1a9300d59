"""One channel per node, and its methods ready to be awaited. Owned by one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from grpc import aio

from shoal._core.effects import METHODS
from shoal._core.settings import Settings
from shoal._drivers.bearing import Bearer, bearing
from shoal._drivers.channels import RENEW_AFTER_SECONDS, RETIRE_AFTER_SECONDS, channel_options
from shoal._drivers.identity import Identity, Shown
from shoal._errors import ClientClosed
from shoal.v1.cache_pb2_grpc import CacheStub


class AioPool:
    """The channels of an asyncio client."""

    def __init__(self, settings: Settings) -> None:
        self._options = channel_options(settings)
        self._identity = None if settings.tls is None else Identity(settings.tls)
        self._bearer = None if settings.token is None else Bearer(settings.token)
        self._opened_with: dict[str, Shown] = {}
        self._methods: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, aio.Channel] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    def method(self, address: str, name: str) -> Any:
        """Return a callable of the stub, connecting at its first use."""
        methods = self._methods.get(address)
        if methods is None:
            methods = self._open(address)
        return methods[name]

    def retain(self, addresses: Collection[str]) -> None:
        """Close the channels to all other addresses, after a grace for what is under way."""
        left = [address for address in self._channels if address not in addresses]
        for address in left:
            self._retire(address, RETIRE_AFTER_SECONDS)

    def renew(self, address: str) -> None:
        """Have the next call open a channel anew, if there are other certificates by now."""
        if self._identity is None:
            return
        latest = self._identity.latest()
        if self._opened_with.get(address, latest) is not latest:
            self._retire(address, RENEW_AFTER_SECONDS)

    @property
    def addresses(self) -> frozenset[str]:
        """Where there are channels to."""
        return frozenset(self._channels)

    async def close(self) -> None:
        """Close every channel. Calls under way fail as cancelled."""
        self._closed = True
        channels = list(self._channels.values())
        self._channels.clear()
        self._methods.clear()
        for task in self._retiring:
            task.cancel()
        for channel in channels:
            await channel.close()

    def _open(self, address: str) -> dict[str, Any]:
        if self._closed:
            raise ClientClosed("this client is closed: make a new one")
        channel = self._channel(address)
        stub = CacheStub(channel)
        methods: dict[str, Any] = {name: getattr(stub, name) for name in METHODS}
        methods["WatchTopology"] = stub.WatchTopology
        methods["WatchInvalidations"] = stub.WatchInvalidations
        self._channels[address] = channel
        methods = self._methods[address] = bearing(methods, self._bearer)
        return methods

    def _channel(self, address: str) -> aio.Channel:
        if self._identity is None:
            return aio.insecure_channel(address, self._options)
        shown = self._opened_with[address] = self._identity.latest()
        options = [*self._options, *self._identity.options]
        return aio.secure_channel(address, shown.credentials(), options)

    def _retire(self, address: str, seconds: float) -> None:
        channel = self._channels.pop(address)
        del self._methods[address]
        self._opened_with.pop(address, None)
        task = asyncio.create_task(channel.close(seconds))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
