"""The guard in front of an origin that tasks ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from shoal._toolkit.bulkhead import Ticket
from shoal._toolkit.guard import OriginGuard
from shoal._toolkit.refusals import waited_too_long

_T = TypeVar("_T")


class AioGuard:
    """Bulkhead and circuit. Belongs to one event loop."""

    def __init__(self, settings: OriginGuard, *, clock: Callable[[], float] = monotonic) -> None:
        self._bulkhead = settings.bulkhead()
        self._circuit = settings.circuit()
        self._max_wait_seconds = settings.max_wait_seconds
        self._clock = clock

    @property
    def loading(self) -> int:
        """How many loads are under way."""
        return self._bulkhead.loading

    async def load(self, key: bytes, loader: Callable[[], Awaitable[_T]]) -> _T:
        """Call the loader, once there is a place. Raises what it raises, and LoadRefused."""
        self._circuit.check(self._clock())
        ticket = self._bulkhead.ask(key)
        try:
            if not ticket.may_load():
                await self._admission(ticket)
            passed = self._circuit.enter(self._clock())
            try:
                value = await loader()
            except BaseException as error:
                self._circuit.leave(passed, error, self._clock())
                raise
            self._circuit.leave(passed, None, self._clock())
            return value
        finally:
            self._bulkhead.leave(ticket)

    async def _admission(self, ticket: Ticket) -> None:
        woken = asyncio.Event()
        ticket.wake = woken.set
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await woken.wait()
        except TimeoutError:
            if not ticket.may_load():
                raise waited_too_long(self._max_wait_seconds) from None
