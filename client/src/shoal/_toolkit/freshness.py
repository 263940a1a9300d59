"""How good a value still is, told by the node that holds it.

    stored                                                        removed
      |-- fresh ------------------|-- stale ----------|-- expired --|
      0                         fresh                ttl      ttl + stale_if_error

    fresh     served
    stale     served, while one caller refreshes it behind the scenes
    expired   loaded anew; served only if that fails

The node counts times on its own clock, so no clock of any client matters. Where a value was
stored with a fresh time, it says whether that is over, and who refreshes it. Of a value that
somebody stored without one its remaining time to live tells, to any caller with the same
times. Jitter stretches or shortens the fresh part, so that what was stored together is not
loaded again together; the others stay as they are. Without ``fresh`` there is no stale part;
without ``stale_if_error`` no expired one, and without both a value is stored with no fresh
time at all. ``touch`` moves the end, and not the fresh time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from shoal._core.durations import Duration, duration_ms
from shoal._errors import InvalidRequest


class Zone(Enum):
    """The parts of a value's life, above."""

    FRESH = auto()
    STALE = auto()
    EXPIRED = auto()


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The times of one kind of value. In milliseconds."""

    ttl_ms: int
    fresh_ms: int
    """Up to ``ttl_ms``, which means that it is never stale."""
    stale_if_error_ms: int
    absent_ttl_ms: int
    """0: what the origin does not have is not stored."""
    jitter: float
    """0 to less than 1: a half-width, as a part of the fresh time."""

    def stored_ms(self, random: Random) -> tuple[int, int]:
        """Return time to live and fresh time with which a value is stored now; 0: no such."""
        fresh_ms = self._jittered(self.fresh_ms, random)
        behind_ms = self._behind_fresh_ms
        return fresh_ms + behind_ms, fresh_ms if behind_ms else 0

    def absent_stored_ms(self, random: Random) -> int:
        """Return the time to live with which "there is none" is stored now."""
        assert self.absent_ttl_ms > 0
        return self._jittered(self.absent_ttl_ms, random)

    def zone(self, remaining_ms: int, *, is_stale: bool | None = None) -> Zone:
        """Return how good a value is that has so long to live; 0: it has no end.

        ``is_stale``: what the node says; None: it was stored without a fresh time.
        """
        if is_stale is None:
            is_stale = 0 < remaining_ms <= self._behind_fresh_ms
        if not is_stale:
            return Zone.FRESH
        is_expired = 0 < remaining_ms <= self.stale_if_error_ms
        return Zone.EXPIRED if is_expired else Zone.STALE

    @property
    def _behind_fresh_ms(self) -> int:
        return self.ttl_ms - self.fresh_ms + self.stale_if_error_ms

    def _jittered(self, ms: int, random: Random) -> int:
        return max(1, round(ms * random.uniform(1 - self.jitter, 1 + self.jitter)))


def lifetime(
    *,
    ttl: Duration,
    fresh: Duration | None,
    stale_if_error: Duration | None,
    absent_ttl: Duration | None,
    jitter: float,
) -> Lifetime:
    """Return the times, checked. Raises InvalidRequest."""
    ttl_ms = duration_ms(ttl, "ttl")
    fresh_ms = ttl_ms if fresh is None else duration_ms(fresh, "fresh")
    if fresh_ms > ttl_ms:
        raise InvalidRequest(
            f"fresh ({fresh!r}) must not be longer than ttl ({ttl!r}): past ttl nothing is served"
        )
    if not 0 <= jitter < 1:
        raise InvalidRequest(f"jitter must be from 0 to less than 1, such as 0.1, not {jitter!r}")
    return Lifetime(
        ttl_ms=ttl_ms,
        fresh_ms=fresh_ms,
        stale_if_error_ms=(
            0 if stale_if_error is None else duration_ms(stale_if_error, "stale_if_error")
        ),
        absent_ttl_ms=0 if absent_ttl is None else duration_ms(absent_ttl, "absent_ttl"),
        jitter=jitter,
    )
