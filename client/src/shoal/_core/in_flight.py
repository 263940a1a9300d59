"""Which calls have waited for long, so that what is known of the cluster is asked for anew.

A frozen node answers nothing and closes nothing. If it is also the one that tells the
topology, the client would learn of its successor only when a call ends. So while calls
wait, the topology is refreshed, through other nodes: after FIRST_SECONDS, then each time
the wait has doubled. What is learnt cuts off the calls to a node that has left.

Invariant: ``begin`` and ``end`` cost two operations on a dict and take no lock.

Non-goal: waking up; the drivers look every PERIOD_SECONDS.
"""

from __future__ import annotations

from itertools import count
from typing import Final

FIRST_SECONDS: Final = 0.25
PERIOD_SECONDS: Final = 0.25


class InFlight:
    """The calls under way. ``overdue`` is asked by one thread or task."""

    def __init__(self) -> None:
        self._started: dict[int, float] = {}
        self._tickets = count()
        self._oldest = -1
        self._next_seconds = FIRST_SECONDS

    def begin(self, now: float) -> int:
        """A call is sent; give what is returned to ``end``."""
        ticket = next(self._tickets)
        self._started[ticket] = now
        return ticket

    def end(self, ticket: int) -> None:
        """A call is over."""
        self._started.pop(ticket, None)

    def overdue(self, now: float) -> bool:
        """Whether to ask for the topology now."""
        # One step, so that other threads do not change the dict meanwhile. Tickets rise, so
        # that the first is the oldest.
        oldest = next(iter(list(self._started.items())), None)
        if oldest is None:
            return False
        ticket, started = oldest
        if ticket != self._oldest:
            self._oldest, self._next_seconds = ticket, FIRST_SECONDS
        waited_seconds = now - started
        if waited_seconds < self._next_seconds:
            return False
        self._next_seconds = waited_seconds * 2
        return True
