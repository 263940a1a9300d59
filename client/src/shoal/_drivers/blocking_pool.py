"""One channel per node, and its methods ready to be called.

Invariant: a channel is in ``_methods`` from its first use until its node has left.
Readers take no lock; ``_methods`` is changed under one.
"""

from __future__ import annotations

from collections.abc import Collection
from threading import RLock, Timer
from typing import Any

import grpc

from shoal._core.effects import METHODS
from shoal._core.settings import Settings
from shoal._drivers.bearing import Bearer, bearing
from shoal._drivers.channels import RENEW_AFTER_SECONDS, RETIRE_AFTER_SECONDS, channel_options
from shoal._drivers.identity import Identity, Shown
from shoal._errors import ClientClosed
from shoal.v1.cache_pb2_grpc import CacheStub


class BlockingPool:
    """The channels of a sync client."""

    def __init__(self, settings: Settings) -> None:
        self._options = channel_options(settings)
        self._identity = None if settings.tls is None else Identity(settings.tls)
        self._bearer = None if settings.token is None else Bearer(settings.token)
        self._opened_with: dict[str, Shown] = {}
        self._methods: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, grpc.Channel] = {}
        self._retired: set[grpc.Channel] = set()
        # Reentrant, because a collected client closes itself wherever that happens.
        self._lock = RLock()
        self._closed = False

    def method(self, address: str, name: str) -> Any:
        """Return a callable of the stub, connecting at its first use."""
        methods = self._methods.get(address)
        if methods is None:
            methods = self._open(address)
        return methods[name]

    def retain(self, addresses: Collection[str]) -> None:
        """Close the channels to all other addresses, after a grace for what is under way."""
        with self._lock:
            left = [address for address in self._channels if address not in addresses]
            for address in left:
                self._retire(address, RETIRE_AFTER_SECONDS)

    def renew(self, address: str) -> None:
        """Have the next call open a channel anew, if there are other certificates by now."""
        if self._identity is None:
            return
        latest = self._identity.latest()
        with self._lock:
            if self._opened_with.get(address, latest) is not latest:
                self._retire(address, RENEW_AFTER_SECONDS)

    @property
    def addresses(self) -> frozenset[str]:
        """Where there are channels to."""
        return frozenset(self._channels)

    def close(self) -> None:
        """Close every channel. Calls under way fail as cancelled."""
        with self._lock:
            self._closed = True
            channels = [*self._channels.values(), *self._retired]
            self._channels.clear()
            self._methods.clear()
            self._retired.clear()
        for channel in channels:
            channel.close()

    def _open(self, address: str) -> dict[str, Any]:
        with self._lock:
            if self._closed:
                raise ClientClosed("this client is closed: make a new one")
            methods = self._methods.get(address)
            if methods is None:
                channel = self._channel(address)
                stub = CacheStub(channel)
                methods = {name: getattr(stub, name) for name in METHODS}
                methods["WatchTopology"] = stub.WatchTopology
                methods["WatchInvalidations"] = stub.WatchInvalidations
                self._channels[address] = channel
                methods = self._methods[address] = bearing(methods, self._bearer)
            return methods

    def _channel(self, address: str) -> grpc.Channel:
        if self._identity is None:
            return grpc.insecure_channel(address, self._options)
        shown = self._opened_with[address] = self._identity.latest()
        options = [*self._options, *self._identity.options]
        return grpc.secure_channel(address, shown.credentials(), options)

    def _retire(self, address: str, seconds: float) -> None:
        self._methods.pop(address, None)
        self._opened_with.pop(address, None)
        channel = self._channels.pop(address, None)
        if channel is None:
            return  # Closed meanwhile, by this very thread's garbage collection.
        self._retired.add(channel)
        timer = Timer(seconds, self._close_retired, (channel,))
        timer.daemon = True
        timer.start()

    def _close_retired(self, channel: grpc.Channel) -> None:
        with self._lock:
            if channel not in self._retired:
                return
            self._retired.discard(channel)
        channel.close()
