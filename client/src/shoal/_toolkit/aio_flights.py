"""Flights of tasks: each load is a task of its own, which outlives the caller that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from shoal._toolkit.flights import DEFAULT_MAX_WAITING, Flight, Flights
from shoal._toolkit.refusals import joined_too_long

_T = TypeVar("_T")


class AioFlights(Generic[_T]):
    """One load of a key at a time. Belongs to one event loop."""

    def __init__(self, max_waiting: int = DEFAULT_MAX_WAITING) -> None:
        self._flights: Flights[asyncio.Task[_T]] = Flights(max_waiting)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return self._flights.waiting

    async def do(
        self,
        key: bytes,
        load: Callable[[], Awaitable[_T]],
        timeout_seconds: float | None = None,
    ) -> tuple[_T, bool]:
        """Return the outcome of the key's load, and whether this caller led it.

        An exception of the load goes to everybody who waits, one object for all. Whoever is
        cancelled leaves the load to the others; it is cancelled with the last of them. A
        load that cancels itself is so to its leader alone: another one leads. Raises
        DeadlineExceeded when one that joined waits longer than ``timeout_seconds``;
        LoadRefused, ClientMisuse as ``Flights.enter``.
        """
        while True:
            flight, leads = self._flights.enter(key, lambda: self._begin(key, load))
            task = flight.handle
            if leads:
                task.add_done_callback(partial(self._land, flight))
            try:
                # Not awaited itself: a caller's cancellation would become the load's.
                await asyncio.wait([task], timeout=None if leads else timeout_seconds)
                if not task.done():
                    raise joined_too_long(key, timeout_seconds)
            finally:
                if self._flights.leave(flight) and not task.done():
                    self._flights.land(flight)
                    task.cancel()
            if leads or not task.cancelled():
                return task.result(), leads

    def detach(self, key: bytes) -> None:
        """Let nobody else join the flight of a key that has just been changed."""
        self._flights.detach(key)

    def detach_all(self) -> None:
        """As ``detach``, where any key may have been changed."""
        self._flights.detach_all()

    def _begin(self, key: bytes, load: Callable[[], Awaitable[_T]]) -> asyncio.Task[_T]:
        task = asyncio.ensure_future(self._load(key, load))
        task.add_done_callback(_retrieve)
        return task

    def _land(self, flight: Flight[asyncio.Task[_T]], _: asyncio.Task[_T]) -> None:
        self._flights.land(flight)

    async def _load(self, key: bytes, load: Callable[[], Awaitable[_T]]) -> _T:
        # The task has a context of its own, which ends with it.
        self._flights.begin_loading(key)
        return await load()


def _retrieve(task: asyncio.Task[_T]) -> None:
    """Look at the outcome of a load that nobody waits for, which asyncio would report."""
    if not task.cancelled():
        task.exception()
