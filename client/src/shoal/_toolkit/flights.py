"""Who loads a key, and who waits for that load: the table, without any waiting.

    nobody loads it    -> the caller leads: a flight begins
    somebody does      -> the caller joins that flight
    the flight lands   -> it is forgotten first, then its outcome handed out, so that
                          whoever comes afterwards begins a new one
    all have left      -> the load may be given up
    the key is changed -> its flight is detached: those in it get its outcome, and who
                          comes later does not, because what it loads may be older

Invariants: at most one flight of a key can be joined; ``waiting`` counts everybody in
flights, detached ones too, and never exceeds its bound. Not thread-safe: its user brings a
lock, or an event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Final, Generic, TypeVar

from shoal._errors import ClientMisuse, LoadRefused

DEFAULT_MAX_WAITING: Final = 10_000

_Handle = TypeVar("_Handle")
_LOADING: ContextVar[frozenset[tuple[int, bytes]]] = ContextVar("_LOADING", default=frozenset())


class Flight(Generic[_Handle]):
    """One load under way."""

    __slots__ = ("handle", "key", "waiting")

    def __init__(self, key: bytes, handle: _Handle) -> None:
        self.key = key
        self.handle = handle
        self.waiting = 0
        """How many wait for its outcome, its leader among them."""


class Flights(Generic[_Handle]):
    """The loads under way in one process."""

    def __init__(self, max_waiting: int = DEFAULT_MAX_WAITING) -> None:
        assert max_waiting > 0
        self._flights: dict[bytes, Flight[_Handle]] = {}
        self._max_waiting = max_waiting
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many callers are in flights: 0 to the bound."""
        return self._waiting

    def __len__(self) -> int:
        return len(self._flights)

    def enter(self, key: bytes, begin: Callable[[], _Handle]) -> tuple[Flight[_Handle], bool]:
        """Join the key's flight, or begin one; return it and whether the caller leads.

        Raises LoadRefused (TOO_MANY_WAITING), and ClientMisuse where the loader of a key
        asks for that same key: it would wait for itself.
        """
        if (id(self), key) in _LOADING.get():
            raise ClientMisuse(
                f"the loader of {key!r} asks the cache for that key again, and would wait for "
                "itself: let it ask the origin"
            )
        if self._waiting >= self._max_waiting:
            raise LoadRefused(
                f"{self._waiting} callers of this process wait for loads already, which is the "
                "bound (max_waiting)",
                reason="TOO_MANY_WAITING",
            )
        flight = self._flights.get(key)
        leads = flight is None
        if flight is None:
            flight = self._flights[key] = Flight(key, begin())
        flight.waiting += 1
        self._waiting += 1
        return flight, leads

    def leave(self, flight: Flight[_Handle]) -> bool:
        """Stop waiting; return whether nobody waits for this flight any longer."""
        assert flight.waiting > 0
        flight.waiting -= 1
        self._waiting -= 1
        return flight.waiting == 0

    def land(self, flight: Flight[_Handle]) -> None:
        """Forget a flight, if it is still the one that its key's callers would join."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def detach(self, key: bytes) -> None:
        """Let nobody else join the flight of a key that has just been changed."""
        self._flights.pop(key, None)

    def detach_all(self) -> None:
        """As ``detach``, where any key may have been changed."""
        self._flights.clear()

    def begin_loading(self, key: bytes) -> Token[frozenset[tuple[int, bytes]]]:
        """Note that what follows in this context loads a key."""
        return _LOADING.set(_LOADING.get() | {(id(self), key)})

    @staticmethod
    def begin_apart() -> None:
        """Note that what follows in this context is waited for by no load."""
        _LOADING.set(frozenset())

    @staticmethod
    def end_loading(token: Token[frozenset[tuple[int, bytes]]]) -> None:
        """Undo ``begin_loading``."""
        _LOADING.reset(token)
