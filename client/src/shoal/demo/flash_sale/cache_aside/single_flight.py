"""One call per key at a time within a process; who comes later waits for its result.

After groupcache's ``singleflight``. The flight is forgotten before its result is handed
out, so that a caller that comes after the result starts a new one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """At most one flight per key; bounded by the number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[K, Future[V]] = {}

    def do(self, key: K, call: Callable[[], V]) -> tuple[V, bool]:
        """The result of ``call`` and whether this caller led. Its exception goes to all."""
        with self._lock:
            flight = self._flights.get(key)
            led = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if led:
            self._fly(key, flight, call)
        return flight.result(), led

    def _fly(self, key: K, flight: Future[V], call: Callable[[], V]) -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody may hang
            self._forget(key)
            flight.set_exception(error)
        else:
            self._forget(key)
            flight.set_result(result)

    def _forget(self, key: K) -> None:
        with self._lock:
            del self._flights[key]
