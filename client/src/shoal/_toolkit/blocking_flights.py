"""Flights of threads: who leads loads in its own thread, the others wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from shoal._toolkit.flights import DEFAULT_MAX_WAITING, Flight, Flights
from shoal._toolkit.refusals import joined_too_long

_T = TypeVar("_T")


class _Landing(Generic[_T]):
    """Where a flight's outcome is put. Exactly one of them is set, before ``landed``."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: list[_T] = []
        self.error: Exception | None = None
        self.trace: TracebackType | None = None
        self.is_given_up = False
        """Its leader was interrupted, which says nothing about the key."""


class BlockingFlights(Generic[_T]):
    """One load of a key at a time. Thread-safe."""

    def __init__(self, max_waiting: int = DEFAULT_MAX_WAITING) -> None:
        self._flights: Flights[_Landing[_T]] = Flights(max_waiting)
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many threads load or wait."""
        return self._flights.waiting

    def do(
        self, key: bytes, load: Callable[[], _T], timeout_seconds: float | None = None
    ) -> tuple[_T, bool]:
        """Return the outcome of the key's load, and whether this caller led it.

        An exception of the load goes to everybody who waits, one object for all. An
        interrupt of the leader (KeyboardInterrupt, SystemExit) is its own alone: another
        one leads. Raises DeadlineExceeded when a wait is longer than ``timeout_seconds``,
        which does not disturb the load; LoadRefused, ClientMisuse as ``Flights.enter``.
        """
        while True:
            with self._lock:
                flight, leads = self._flights.enter(key, _Landing)
            try:
                landing = flight.handle
                if leads:
                    return self._lead(flight, load), True
                if not landing.landed.wait(timeout_seconds):
                    raise joined_too_long(key, timeout_seconds)
                if landing.error is not None:
                    # The traceback as it was: it would grow with everybody who raises it.
                    raise landing.error.with_traceback(landing.trace)
                if not landing.is_given_up:
                    return landing.value[0], False
            finally:
                with self._lock:
                    self._flights.leave(flight)

    def detach(self, key: bytes) -> None:
        """Let nobody else join the flight of a key that has just been changed."""
        with self._lock:
            self._flights.detach(key)

    def detach_all(self) -> None:
        """As ``detach``, where any key may have been changed."""
        with self._lock:
            self._flights.detach_all()

    def _lead(self, flight: Flight[_Landing[_T]], load: Callable[[], _T]) -> _T:
        landing = flight.handle
        loading = self._flights.begin_loading(flight.key)
        try:
            value = load()
        except Exception as error:
            landing.error, landing.trace = error, error.__traceback__
            raise
        except BaseException:
            landing.is_given_up = True
            raise
        else:
            landing.value.append(value)
            return value
        finally:
            self._flights.end_loading(loading)
            with self._lock:
                self._flights.land(flight)
            landing.landed.set()
