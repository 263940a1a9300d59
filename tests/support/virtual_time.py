"""An event loop whose time is virtual: it jumps to the next timer instead of waiting.

Deterministic: the order of callbacks depends on their times and on nothing else.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class NothingWillHappen(Exception):
    """Every task waits, and no timer is set."""


class _VirtualSelector(selectors.SelectSelector):
    """Waits by moving the loop's time. What is readable was made so within the loop."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return sorted(ready, key=lambda it: it[0].fd)
        if timeout is None:
            raise NothingWillHappen
        if timeout > 0:
            self.loop.now_seconds += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs without sockets, threads and waiting."""

    def __init__(self, start_seconds: float = 1000.0) -> None:
        selector = _VirtualSelector()
        selector.loop = self
        self.now_seconds = start_seconds
        super().__init__(selector)
        # Timers set by floats must not need a second jump of no length.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now_seconds

    def now_ns(self) -> int:
        return int(self.now_seconds * 1_000_000_000)

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        # There is one thread, and nothing to wake.
        return self.call_soon(callback, *args, context=context)


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, and cancel what is left over."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
