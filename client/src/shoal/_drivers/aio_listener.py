"""The tasks of an asyncio client that are told of changes to what it was granted.

One for each node that granted something lately. They hold no reference to the client.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc import aio

from shoal._core.core import Core
from shoal._core.listening import STREAM_SECONDS, Pauses
from shoal._drivers.aio_pool import AioPool
from shoal._drivers.status import has_lost
from shoal._errors import ClientClosed
from shoal.v1 import cache_pb2


class AioListener:
    """Feeds ``Invalidations`` from streams of grpc.aio. Owned by one event loop."""

    def __init__(self, core: Core, pool: AioPool) -> None:
        self._core = core
        self._pool = pool
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def listen(self, address: str) -> None:
        """Listen to a node as long as it is wanted. Does not wait."""
        if address not in self._tasks and not self._closing:
            self._tasks[address] = asyncio.create_task(self._run(address), name="shoal-changes")

    def cancel(self) -> None:
        """End the tasks, without waiting for them."""
        self._closing = True
        for task in self._tasks.values():
            task.cancel()

    async def close(self) -> None:
        """End the tasks."""
        tasks = list(self._tasks.values())
        self.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, address: str) -> None:
        pauses = Pauses(self._core.rng)
        try:
            while self._core.listens_to(address):
                await self._follow(address, pauses)
                await asyncio.sleep(pauses.next_seconds())
        finally:
            del self._tasks[address]

    async def _follow(self, address: str, pauses: Pauses) -> None:
        invalidations = self._core.invalidations
        assert invalidations is not None
        number = invalidations.opened()
        lost = False
        try:
            method = self._pool.method(address, "WatchInvalidations")
            request = cache_pb2.WatchInvalidationsRequest()
            async for told in method(request, timeout=STREAM_SECONDS):
                pauses.note_update()
                invalidations.told(number, told.partition, told.epoch, told.sequence, told.keys)
        except grpc.RpcError as error:
            lost = has_lost(error)
        except (aio.UsageError, ClientClosed):
            pass  # A closed channel; the client's end.
        except asyncio.CancelledError:
            # A channel that is closed cancels its streams; only the task's own end goes on.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        finally:
            invalidations.ended(number, has_lost=lost)
