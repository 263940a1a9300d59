"""Virtual time: what happens next, in one order that depends on the seed alone.

An event belongs to an owner, a process, or to the world. That of a dead process never
happens; that of one that is paused happens when it goes on, in the old order.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from heapq import heappop, heappush
from typing import Protocol

SECOND_US = 1_000_000
_START_US = 1_000 * SECOND_US


class Owner(Protocol):
    """To whom things happen."""

    @property
    def is_alive(self) -> bool: ...
    @property
    def paused_until_us(self) -> int: ...


class _World:
    is_alive = True
    paused_until_us = 0


WORLD = _World()


class Events:
    """All that is to happen. Times are the world's, in microseconds."""

    def __init__(self) -> None:
        self.now_us = _START_US
        self.steps = 0
        self._number = 0
        self._heap: list[tuple[int, int, Owner, Callable[..., object], tuple[object, ...]]] = []

    def now_ns(self) -> int:
        return self.now_us * 1_000

    def after(
        self, delay_us: float, owner: Owner, work: Callable[..., object], *args: object
    ) -> None:
        self._number += 1
        heappush(self._heap, (self.now_us + int(delay_us), self._number, owner, work, args))

    def run(self, until_steps: int, broken: Sized) -> None:
        """Let the next things happen, until there were so many, or something is broken."""
        heap = self._heap
        while heap and self.steps < until_steps and not broken:
            at_us, number, owner, work, args = heappop(heap)
            if not owner.is_alive:
                continue
            paused_until_us = owner.paused_until_us
            if paused_until_us > at_us:
                heappush(heap, (paused_until_us, number, owner, work, args))
                continue
            self.now_us = at_us
            self.steps += 1
            work(*args)
