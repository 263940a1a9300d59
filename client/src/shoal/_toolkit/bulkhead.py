"""How many loads the origin is given at once, of one key and in all: decided, not waited for.

    free, and the key is too -> admitted
    not free, queue not full -> queued, in the order of arrival
    queue full               -> refused at once
    somebody leaves          -> the first in the queue whose key is free is admitted

A key that is at its own limit holds up nobody behind it. Invariants: ``loading`` never
exceeds ``max_loads``, nor a key ``max_loads_per_key``, nor the queue ``max_queued``; nobody
waits who could be admitted. Not thread-safe: its user brings a lock, or an event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

from shoal._errors import LoadRefused


class Place(Enum):
    """Where a ticket stands."""

    QUEUED = auto()
    ADMITTED = auto()
    GONE = auto()


class Ticket:
    """One load that asked to be admitted."""

    __slots__ = ("key", "place", "wake")

    def __init__(self, key: bytes, place: Place) -> None:
        self.key = key
        self.place = place
        self.wake: Callable[[], None] | None = None
        """Called when it is admitted from the queue. Must not block."""

    def may_load(self) -> bool:
        """Whether it may load now."""
        return self.place is Place.ADMITTED


class Bulkhead:
    """The places in front of one origin."""

    def __init__(self, *, max_loads: int, max_loads_per_key: int, max_queued: int) -> None:
        assert max_loads > 0
        assert max_loads_per_key > 0
        assert max_queued >= 0
        self._max_loads = max_loads
        self._max_loads_per_key = max_loads_per_key
        self._max_queued = max_queued
        self._loading: Counter[bytes] = Counter()
        self._total = 0
        # Of a dict the order counts, and any ticket can be taken out of its middle.
        self._queue: dict[Ticket, None] = {}

    @property
    def loading(self) -> int:
        """How many are admitted: 0 to ``max_loads``."""
        return self._total

    @property
    def queued(self) -> int:
        """How many wait: 0 to ``max_queued``."""
        return len(self._queue)

    def ask(self, key: bytes) -> Ticket:
        """Ask for a place. Raises LoadRefused (ORIGIN_BUSY) when the queue is full."""
        if self._is_free(key):
            # Nobody in the queue could have it: their keys are at their limits.
            ticket = Ticket(key, Place.ADMITTED)
            self._admit(ticket)
            return ticket
        if len(self._queue) >= self._max_queued:
            raise LoadRefused(
                f"{self._total} loads are under way and {len(self._queue)} wait, which are the "
                "bounds (max_loads, max_loads_per_key, max_queued): the origin was not asked",
                reason="ORIGIN_BUSY",
            )
        ticket = Ticket(key, Place.QUEUED)
        self._queue[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, or leave the queue; whoever is admitted by that is woken."""
        if ticket.place is Place.QUEUED:
            del self._queue[ticket]
        elif ticket.place is Place.ADMITTED:
            self._total -= 1
            self._loading[ticket.key] -= 1
            if not self._loading[ticket.key]:
                del self._loading[ticket.key]
            self._call_next()
        ticket.place = Place.GONE

    def _is_free(self, key: bytes) -> bool:
        return self._total < self._max_loads and self._loading[key] < self._max_loads_per_key

    def _admit(self, ticket: Ticket) -> None:
        ticket.place = Place.ADMITTED
        self._total += 1
        self._loading[ticket.key] += 1

    def _call_next(self) -> None:
        found = next((ticket for ticket in self._queue if self._is_free(ticket.key)), None)
        if found is not None:
            del self._queue[found]
            self._admit(found)
            if found.wake is not None:
                found.wake()
