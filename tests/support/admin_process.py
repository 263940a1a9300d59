"""A coordinator's admin service over a registry in memory, in a thread of its own.

For tests of what calls it: the service, the commands and the compare-and-swap are the real
ones; nobody leads, so nothing moves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Self

from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.codec import (
    encode_config,
    encode_member,
    encode_partition,
    encode_registration,
)
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import change_config, change_membership
from shoal_coordinator.registry.port import Put
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.admin import Changers
from shoal_coordinator.service.server import Server


class AdminInThread:
    """Begins with what a view holds. ``address`` is where it serves while it is entered."""

    def __init__(
        self, seen: ClusterView, tls: LiveTls | None = None, access: Access | None = None
    ) -> None:
        self.address = ""
        self._access = access
        self._tls = tls
        self._keys = Keys(seen.cluster)
        self._seen = seen
        self._store = MemoryStore()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Server | None = None
        self._view = seen

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        keys, seen = self._keys, self._seen
        assert seen.config is not None
        puts = [Put(keys.config, encode_config(seen.config))]
        puts += [Put(keys.member(it.id), encode_member(it)) for it in seen.members.values()]
        puts += [
            Put(keys.node(node), encode_registration(it.registration))
            for node, it in seen.nodes.items()
        ]
        puts += [
            Put(keys.partition(partition), encode_partition(it.record))
            for partition, it in seen.partitions.items()
        ]
        await self._store.commit([], puts)
        changers = Changers(
            self._and_read(partial(change_config, self._store, keys)),
            self._and_read(partial(change_membership, self._store, keys)),
        )
        self._server = Server(
            lambda: self._view, changers, tls=self._tls, access=lambda: self._access
        )
        await self._read()
        self.address = str(await self._server.start(HostPort("127.0.0.1", 0)))

    async def _stop(self) -> None:
        assert self._server is not None
        await self._server.stop(0)

    async def _read(self) -> None:
        self._view = view_of(self._keys, await self._store.read(self._keys.prefix)).view

    def _and_read(self, change: Callable[..., object]) -> Callable[..., object]:
        """The view is the newest once a change has been answered."""

        async def changed(*arguments: object) -> object:
            answer = await change(*arguments)  # type: ignore[misc]
            await self._read()
            return answer

        return changed
