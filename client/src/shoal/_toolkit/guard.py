"""``shoal.OriginGuard``: how much the origin can bear. A value, checked when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal._core.durations import Duration, duration_ms
from shoal._errors import ConfigurationError, InvalidRequest
from shoal._toolkit.bulkhead import Bulkhead

if TYPE_CHECKING:
    from shoal._toolkit.circuit import Circuit


def _every(_: Exception) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class OriginGuard:
    """The bounds in front of the origin of one ``Cache``, in this process.

    Whatever the cache does, the origin is never asked by more than ``max_loads`` at once.
    A loader should have a timeout of its own: one that hangs keeps its place.
    """

    max_loads: int = 32
    """Loads at once, of all keys."""
    max_loads_per_key: int = 1
    """Loads at once of one key. Callers of a key share a load; more than one are under way
    only after the key was invalidated during the first."""
    max_queued: int = 1000
    """Loads that wait for a place; past it they are refused at once."""
    max_wait: Duration = "2s"
    """How long a load waits for a place before it is refused."""
    failures: int = 10
    """Failures in a row that open the circuit."""
    open_for: Duration = "5s"
    """How long no load passes then; after it one at a time does, until one succeeds."""
    counts: Callable[[Exception], bool] = _every
    """Whether an exception of a loader is the origin's failure. Called under a lock: it only
    looks at the exception. One that is not counts as a success of the origin."""

    def __post_init__(self) -> None:
        for name in ("max_loads", "max_loads_per_key", "failures"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.max_queued < 0:
            raise ConfigurationError(f"max_queued must be 0 or more, not {self.max_queued}")
        for name in ("max_wait", "open_for"):
            try:
                duration_ms(getattr(self, name), name)
            except InvalidRequest as error:
                raise ConfigurationError(str(error)) from error

    @property
    def max_wait_seconds(self) -> float:
        """How long a load waits for a place."""
        return duration_ms(self.max_wait, "max_wait") / 1000

    def bulkhead(self) -> Bulkhead:
        """Return places with these bounds."""
        return Bulkhead(
            max_loads=self.max_loads,
            max_loads_per_key=self.max_loads_per_key,
            max_queued=self.max_queued,
        )

    def circuit(self) -> Circuit:
        """Return a circuit with these settings."""
        from shoal._toolkit.circuit import Circuit

        return Circuit(
            failures=self.failures,
            open_seconds=duration_ms(self.open_for, "open_for") / 1000,
            counts=self.counts,
        )
