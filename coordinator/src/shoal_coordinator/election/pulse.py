"""Whether the event loop still runs, as a thread can see it.

A coordinator whose loop is stuck must lose its lease, though its keepalives come
from a thread of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pulse:
    """``beat`` runs in the event loop; ``is_felt`` may be asked from any thread."""

    def __init__(self, clock: Callable[[], float], silence_seconds_max: float) -> None:
        self._clock = clock
        self._silence_seconds_max = silence_seconds_max
        self._last = clock()

    async def beat(self) -> None:
        """Beat until cancelled."""
        while True:
            self._last = self._clock()
            await asyncio.sleep(self._silence_seconds_max / 10)

    def is_felt(self) -> bool:
        return self._clock() - self._last <= self._silence_seconds_max
