"""One channel per node, and its methods ready to be awaited. Owned by one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from grpc import aio

from shoal._core.effects import METHODS
from shoal._core.settings import Settings
from shoal._drivers.channels import RETIRE_AFTER_SECONDS, channel_options
from shoal._errors import ClientClosed
from shoal.v1.cache_pb2_grpc import CacheStub


class AioPool:
    """The channels of an asyncio client."""

    def __init__(self, settings: Settings) -> None:
        self._options = channel_options(settings)
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
            channel = self._channels.pop(address)
            del self._methods[address]
            task = asyncio.create_task(channel.close(RETIRE_AFTER_SECONDS))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

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
        channel = aio.insecure_channel(address, self._options)
        stub = CacheStub(channel)
        methods: dict[str, Any] = {name: getattr(stub, name) for name in METHODS}
        methods["WatchTopology"] = stub.WatchTopology
        methods["WatchInvalidations"] = stub.WatchInvalidations
        self._channels[address] = channel
        self._methods[address] = methods
        return methods
