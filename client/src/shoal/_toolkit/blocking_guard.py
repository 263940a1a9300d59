"""The guard in front of an origin that threads ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from shoal._toolkit.bulkhead import Ticket
from shoal._toolkit.guard import OriginGuard
from shoal._toolkit.refusals import waited_too_long

_T = TypeVar("_T")


class BlockingGuard:
    """Bulkhead and circuit. Thread-safe."""

    def __init__(self, settings: OriginGuard, *, clock: Callable[[], float] = monotonic) -> None:
        self._bulkhead = settings.bulkhead()
        self._circuit = settings.circuit()
        self._max_wait_seconds = settings.max_wait_seconds
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def loading(self) -> int:
        """How many loads are under way."""
        return self._bulkhead.loading

    def load(self, key: bytes, loader: Callable[[], _T]) -> _T:
        """Call the loader, once there is a place. Raises what it raises, and LoadRefused."""
        self._circuit.check(self._clock())
        ticket = self._admitted(key)
        try:
            passed = self._circuit.enter(self._clock())
            try:
                value = loader()
            except BaseException as error:
                self._circuit.leave(passed, error, self._clock())
                raise
            self._circuit.leave(passed, None, self._clock())
            return value
        finally:
            with self._lock:
                self._bulkhead.leave(ticket)

    def _admitted(self, key: bytes) -> Ticket:
        with self._lock:
            ticket = self._bulkhead.ask(key)
            if ticket.may_load():
                return ticket
            woken = threading.Event()
            ticket.wake = woken.set
        try:
            woken.wait(self._max_wait_seconds)
        except BaseException:
            with self._lock:
                self._bulkhead.leave(ticket)
            raise
        with self._lock:
            if ticket.may_load():
                return ticket
            self._bulkhead.leave(ticket)
        raise waited_too_long(self._max_wait_seconds)
