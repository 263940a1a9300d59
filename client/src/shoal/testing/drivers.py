"""Performs a client's operations against a cluster in memory.

What would be waited for between attempts is left out; what a caller waits for another's load
is waited for, until it is woken.
"""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import Any, Protocol, TypeVar

from shoal._core.core import Core
from shoal._core.effects import Call, Effect, Listen, Operation, Parallel
from shoal._errors import ClientClosed
from shoal.testing.store import Parked

_T = TypeVar("_T")


class Answering(Protocol):
    """The cluster, as its drivers see it."""

    def answer(self, method: str, request: Any, wake: Any) -> tuple[Any, float]:
        """See ``Cluster.answer``."""
        ...

    def listen(self, core: Core) -> None:
        """See ``Cluster.listen``."""
        ...

    def leave(self, core: Core) -> None:
        """See ``Cluster.leave``."""
        ...


class BlockingMemoryDriver:
    """For ``shoal.Client``."""

    def __init__(self, core: Core, cluster: Answering) -> None:
        self.core = core
        self._cluster = cluster
        self._is_closed = False

    def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        try:
            effect = next(operation)
            while True:
                effect = operation.send(self._perform(effect))
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            operation.close()

    def close(self) -> None:
        """Answer nothing any more. Idempotent."""
        self._is_closed = True
        self._cluster.leave(self.core)

    def _perform(self, effect: Effect) -> Any:
        if self._is_closed:
            raise ClientClosed("this client is closed: make a new one")
        if isinstance(effect, Call):
            return self._call(effect)
        if isinstance(effect, Parallel):
            return [self._call(call) for call in effect.calls]
        if isinstance(effect, Listen):
            self._cluster.listen(self.core)
        return None

    def _call(self, call: Call) -> Any:
        request = _own(call.request)
        while True:
            woken = threading.Event()
            answer, wait_seconds = self._cluster.answer(call.method, request, woken.set)
            if not isinstance(answer, Parked):
                return answer
            began = monotonic()
            woken.wait(wait_seconds)
            _shorten(request, monotonic() - began)


class AioMemoryDriver:
    """For ``shoal.asyncio.Client``."""

    def __init__(self, core: Core, cluster: Answering) -> None:
        self.core = core
        self._cluster = cluster
        self._is_closed = False

    async def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        try:
            effect = next(operation)
            while True:
                # As over a network, others get a turn with every call.
                await asyncio.sleep(0)
                effect = operation.send(await self._perform(effect))
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            operation.close()

    async def close(self) -> None:
        """Answer nothing any more. Idempotent."""
        self.abandon()

    def abandon(self) -> None:
        """Answer nothing any more."""
        self._is_closed = True
        self._cluster.leave(self.core)

    async def _perform(self, effect: Effect) -> Any:
        if self._is_closed:
            raise ClientClosed("this client is closed: make a new one")
        if isinstance(effect, Call):
            return await self._call(effect)
        if isinstance(effect, Parallel):
            return [await self._call(call) for call in effect.calls]
        if isinstance(effect, Listen):
            self._cluster.listen(self.core)
        return None

    async def _call(self, call: Call) -> Any:
        request = _own(call.request)
        loop = asyncio.get_running_loop()
        while True:
            woken = asyncio.Event()

            def wake(woken: asyncio.Event = woken) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(woken.set)

            answer, wait_seconds = self._cluster.answer(call.method, request, wake)
            if not isinstance(answer, Parked):
                return answer
            began = monotonic()
            try:
                async with asyncio.timeout(wait_seconds):
                    await woken.wait()
            except TimeoutError:
                pass
            _shorten(request, monotonic() - began)


def _own(request: Any) -> Any:
    """Return a copy, as the network would make one: callers may go on changing theirs."""
    copy = type(request)()
    copy.CopyFrom(request)
    return copy


def _shorten(request: Any, waited_seconds: float) -> None:
    """Take what was waited from what a Get may still wait."""
    left_ms = request.fill.wait_ms - int(waited_seconds * 1000) - 1
    request.fill.wait_ms = max(0, left_ms)
