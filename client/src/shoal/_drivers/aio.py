"""Performs operations under asyncio, in the one event loop that they are first used in.

A task watches the topology, and where nodes grant answers to a near cache one listens to each
of them; they hold no reference to the client, so that a client that is merely dropped is
collected, and then ends them.
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from time import monotonic
from typing import Any, TypeVar

import grpc
from grpc import aio

from shoal._core.core import Core
from shoal._core.effects import AwaitTopology, Call, Effect, Listen, Operation, Parallel, Sleep
from shoal._core.failures import Code
from shoal._core.identity import draw_request_id
from shoal._core.in_flight import InFlight
from shoal._core.settings import Settings
from shoal._drivers.aio_listener import AioListener
from shoal._drivers.aio_pool import AioPool
from shoal._drivers.aio_watcher import AioWatcher
from shoal._drivers.status import closed_channel, cut_off, failure_of
from shoal._errors import ClientClosed, ForkedClient, WrongEventLoop

_T = TypeVar("_T")
_UNUSED = 0


class AioDriver:
    """The asyncio client's engine."""

    def __init__(self, settings: Settings) -> None:
        self.core = Core(settings, clock=monotonic, rng=Random(), draw_id=draw_request_id)  # noqa: S311
        self.in_flight = InFlight()
        self.pool = AioPool(settings)
        self._watcher = AioWatcher(self.core, self.pool, self.in_flight)
        self._listener = AioListener(self.core, self.pool)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = _UNUSED
        self._closed = False

    async def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        self._check()
        try:
            effect = next(operation)
            while True:
                answer = await (self._call(effect) if type(effect) is Call else self._other(effect))
                effect = operation.send(answer)
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            operation.close()

    async def close(self) -> None:
        """End the tasks and all channels; calls under way fail. Idempotent."""
        if self._closed or self._pid not in (_UNUSED, os.getpid()):
            self._closed = True
            return
        if self._loop is not None:
            self._check()
        self._closed = True
        await self._listener.close()
        await self._watcher.close()
        await self.pool.close()

    def abandon(self) -> None:
        """End the tasks of a client that was dropped. Called from anywhere."""
        self._closed = True
        loop = self._loop
        if loop is None or loop.is_closed() or self._pid != os.getpid():
            return
        try:
            loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return  # The loop was closed just now, and with it the task.

    def _cancel(self) -> None:
        self._listener.cancel()
        self._watcher.cancel()

    def _check(self) -> None:
        if self._closed:
            raise ClientClosed("this client is closed: make a new one")
        pid = os.getpid()
        if self._pid not in (_UNUSED, pid):
            raise ForkedClient(
                f"this client was first used in process {self._pid} and cannot be used in its "
                f"child {pid}: make one client per process, after the fork"
            )
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is None:
            self._loop = loop
            self._pid = pid
            self._watcher.start()
            return
        state = "is closed now" if self._loop.is_closed() else "is another one"
        raise WrongEventLoop(
            f"this client belongs to the event loop that it was first used in, which {state}: "
            "make one client per event loop, for instance within asyncio.run"
        )

    async def _call(self, call: Call) -> Any:
        ticket = self.in_flight.begin(monotonic())
        try:
            method = self.pool.method(call.address, call.method)
            return await method(call.request, timeout=call.timeout_seconds)
        except grpc.RpcError as error:
            self._check_open()
            failure = failure_of(error)
            if failure.code is Code.UNAVAILABLE:
                self.pool.renew(call.address)
            return failure
        except aio.UsageError:
            self._check_open()
            return closed_channel(call.address)
        except asyncio.CancelledError:
            # A channel that is closed cancels its calls with the same exception that a
            # caller's own cancellation raises; only the latter concerns the caller.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._check_open()
            return cut_off(call.address)
        finally:
            self.in_flight.end(ticket)

    async def _other(self, effect: Effect) -> Any:
        if isinstance(effect, Parallel):
            return await self._parallel(effect)
        if isinstance(effect, Sleep):
            await asyncio.sleep(effect.seconds)
        elif isinstance(effect, AwaitTopology):
            await self._watcher.wait_for_topology(effect.timeout_seconds)
        elif isinstance(effect, Listen):
            self._listener.listen(effect.address)
        else:
            self._watcher.refresh()
        return None

    async def _parallel(self, parallel: Parallel) -> list[Any]:
        return await asyncio.gather(*(self._call(call) for call in parallel.calls))

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("this client was closed while the call was under way")
