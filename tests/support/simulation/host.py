"""One run of one process, as the world treats it: its clock, pauses, and ways to others."""

from __future__ import annotations

import random
from collections.abc import Callable

from simulation.events import Events

_CLOCK_RATE_MAX = 0.03
"""Clocks run by so much too fast or too slow, less than a lease's margin allows for."""


class Host:
    """An ``Owner`` of events. Times are the world's, where no other clock is named."""

    def __init__(self, events: Events, name: str, rng: random.Random) -> None:
        self.events = events
        self.name = name
        self.rng = rng
        self.is_alive = True
        self.paused_until_us = 0
        self.cut_until_us = 0
        """No way to etcd."""
        self.deaf_until_us = 0
        """Hears nobody, and is heard by etcd."""
        self.loss = 0.0
        self.slow = 0.0
        self._rate = 1 + rng.uniform(-_CLOCK_RATE_MAX, _CLOCK_RATE_MAX)
        self._offset_us = rng.randrange(1_000_000_000)

    def heal(self) -> None:
        self.paused_until_us = self.cut_until_us = self.deaf_until_us = 0
        self.loss = self.slow = 0.0

    def now_us(self) -> int:
        """By its own clock."""
        return int(self.events.now_us * self._rate) + self._offset_us

    def now_ns(self) -> int:
        return (int(self.events.now_us * self._rate) + self._offset_us) * 1_000

    def now_ms(self) -> int:
        return (int(self.events.now_us * self._rate) + self._offset_us) // 1_000

    def after(self, delay_us: float, work: Callable[..., object], *args: object) -> None:
        """Later, by its own clock."""
        self.events.after(delay_us / self._rate, self, work, *args)

    @property
    def is_cut(self) -> bool:
        return self.events.now_us < self.cut_until_us

    @property
    def is_deaf(self) -> bool:
        return self.events.now_us < self.deaf_until_us

    def delay_us(self) -> float:
        """Of a message to etcd, or from it."""
        random = self.rng.random
        if random() < self.slow:
            return self.rng.uniform(50_000, 1_200_000)
        return 200 + 2_800 * random()

    def loses(self) -> bool:
        return self.loss > 0 and self.rng.random() < self.loss
