"""The tasks that keep an asyncio client's topology up to date.

One listens to a node; the other asks another node when calls have waited for long.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc import aio

from shoal._core.core import Core
from shoal._core.in_flight import PERIOD_SECONDS, InFlight
from shoal._core.watching import Watching
from shoal._drivers.aio_pool import AioPool
from shoal.v1 import cache_pb2


class AioWatcher:
    """Runs ``Watching`` over streams of grpc.aio. Holds no reference to the client."""

    def __init__(self, core: Core, pool: AioPool, in_flight: InFlight) -> None:
        self._core = core
        self._pool = pool
        self._in_flight = in_flight
        self._watching = Watching(core)
        self._task: asyncio.Task[None] | None = None
        self._stream: Any = None
        self._known = asyncio.Event()

    def start(self) -> None:
        """Start the task in the running loop."""
        self._task = asyncio.create_task(self._run(), name="shoal-topology")

    def refresh(self) -> None:
        """Ask another node, unless that was done just now. Does not wait."""
        if self._watching.wants_refresh() and self._stream is not None:
            self._stream.cancel()

    async def wait_for_topology(self, timeout_seconds: float) -> None:
        """Wait until a topology is known, or the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._known.wait()
        except TimeoutError:
            return

    def cancel(self) -> None:
        """End the task, without waiting for it."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """End the task."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        suspecting = asyncio.create_task(self._suspect(), name="shoal-patience")
        try:
            while True:
                address = self._watching.next_address()
                await self._watch(address)
                self._pool.renew(address)
                await asyncio.sleep(self._watching.pause_seconds())
        finally:
            suspecting.cancel()
            await self._pool.close()

    async def _suspect(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if self._in_flight.overdue(self._core.clock()):
                self.refresh()

    async def _watch(self, address: str) -> None:
        request = cache_pb2.WatchTopologyRequest(known_revision=self._watching.known_revision)
        try:
            self._stream = self._pool.method(address, "WatchTopology")(request)
            async for update in self._stream:
                self._watching.note_update()
                if self._core.learn(update.topology):
                    self._known.set()
                    self._pool.retain(self._core.connectable())
        except (grpc.RpcError, aio.UsageError):
            # Whatever it was, another node is asked; a UsageError is a closed channel.
            return
        except asyncio.CancelledError:
            # refresh() cancels the stream alone; only the task's own end goes on.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        finally:
            self._stream = None
