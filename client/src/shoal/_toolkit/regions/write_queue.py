"""What write-behind still owes the origin: the last value of each key, in order, bounded.

    put       a key's first write becomes due ``delay`` later; a further one before that
              replaces its value and not its time, so that a key written all the time is
              written on, too
    take      the longest due write that is not being made; one of a key at a time
    done      forgets it, unless a newer value came meanwhile, which is due at once
    failed    due again after a wait that doubles, up to a bound; nothing is given up

Invariants: at most ``max_queued`` keys; writes of a key are made one after the other, the
last value last. Time and randomness are arguments. Not thread-safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from shoal._errors import ResourceExhausted

_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 10.0


@dataclass(slots=True)
class Owed:
    """One key's write."""

    key: bytes
    id: Any
    value: Any
    """ABSENT: a removal."""
    due_at: float
    number: int = 0
    """Rises with every value of the key."""
    attempts: int = 0
    is_under_way: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A write to be made, as it stood when it was taken."""

    key: bytes
    id: Any
    value: Any
    number: int


class WriteQueue:
    """The writes of one region."""

    def __init__(self, *, max_queued: int, delay_seconds: float) -> None:
        assert max_queued > 0
        assert delay_seconds >= 0
        self._max_queued = max_queued
        self._delay_seconds = delay_seconds
        self._owed: dict[bytes, Owed] = {}

    def __len__(self) -> int:
        return len(self._owed)

    def put(self, key: bytes, id: Any, value: Any, now: float) -> None:  # noqa: A002
        """Owe a write. Raises ResourceExhausted (WRITE_QUEUE_FULL)."""
        owed = self._owed.get(key)
        if owed is not None:
            owed.value = value
            owed.number += 1
            return
        if len(self._owed) >= self._max_queued:
            raise ResourceExhausted(
                f"{len(self._owed)} writes wait for the origin, which is the bound (max_queued): "
                "nothing was written",
                reason="WRITE_QUEUE_FULL",
            )
        self._owed[key] = Owed(key, id, value, now + self._delay_seconds)

    def pending(self, key: bytes) -> Owed | None:
        """Return what is owed of a key."""
        return self._owed.get(key)

    def take(self, now: float) -> Taken | None:
        """Begin the longest due write, if one is due."""
        due = [owed for owed in self._owed.values() if not owed.is_under_way and owed.due_at <= now]
        if not due:
            return None
        owed = min(due, key=lambda one: one.due_at)
        owed.is_under_way = True
        return Taken(owed.key, owed.id, owed.value, owed.number)

    def hurry(self, now: float) -> None:
        """Make everything due now."""
        for owed in self._owed.values():
            owed.due_at = min(owed.due_at, now)

    def done(self, taken: Taken, now: float) -> None:
        """Note that a write was made."""
        owed = self._owed[taken.key]
        owed.is_under_way = False
        if owed.number == taken.number:
            del self._owed[taken.key]
        else:
            owed.attempts = 0
            owed.due_at = now

    def failed(self, taken: Taken, now: float, random: Random) -> None:
        """Note that a write failed; it is made again later."""
        owed = self._owed[taken.key]
        owed.is_under_way = False
        wait_seconds = min(
            _LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(owed.attempts, 16)
        )
        owed.attempts += 1
        owed.due_at = now + wait_seconds * random.uniform(0.5, 1)

    def wait_seconds(self, now: float) -> float | None:
        """Return how long until a write is due; None while none is waiting."""
        times = [owed.due_at for owed in self._owed.values() if not owed.is_under_way]
        return max(0.0, min(times) - now) if times else None
