"""When to renew a lease, and until when it may be relied on. No thread, no clock.

All times are nanoseconds of CLOCK_BOOTTIME: monotonic, and it counts the time that
the machine is suspended.

    renew every ttl / 3; after a failure again soon; each call is given up early
    enough that another can be made before the deadline.

The deadline is the time *before* the keepalive was sent + the TTL that the store
returned - a margin. It says until when the holder may trust the lease, and is
always earlier than the store's own end of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """``margin_seconds`` covers the clocks' drift and the time to act on the deadline."""

    margin_seconds: float = 0.3
    retry_seconds: float = 0.1
    gate_seconds: float = 0.05
    """How soon the gate is asked again after it said no."""
    timeout_seconds_max: float = 1.0

    def check(self, ttl_seconds: int) -> None:
        """Raise ValueError if a lease of this TTL cannot be kept by these settings."""
        if not 0 < self.margin_seconds < ttl_seconds / 2:
            raise ValueError(
                f"the lease's margin of {self.margin_seconds} s does not fit a TTL of "
                f"{ttl_seconds} s: take a margin below half of the TTL"
            )
        if not 0 < self.retry_seconds < ttl_seconds / 3:
            raise ValueError(
                f"retrying every {self.retry_seconds} s is too slow for a TTL of "
                f"{ttl_seconds} s: take less than a third of it"
            )


def deadline_ns(sent_ns: int, ttl_seconds: int, settings: UpkeepSettings) -> int:
    """Until when a lease may be trusted that was granted or renewed by a call made then."""
    return sent_ns + ttl_seconds * NANOSECONDS - round(settings.margin_seconds * NANOSECONDS)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is known of one lease's upkeep. A step returns the next schedule."""

    settings: UpkeepSettings
    ttl_seconds: int
    deadline_ns: int
    next_ns: int
    """When to renew next."""
    failures: int = 0
    """How many renewals failed since the last that did not."""

    @staticmethod
    def granted(settings: UpkeepSettings, sent_ns: int, ttl_seconds: int) -> Schedule:
        """For a lease granted by a call sent at ``sent_ns``."""
        return Schedule(
            settings=settings,
            ttl_seconds=ttl_seconds,
            deadline_ns=deadline_ns(sent_ns, ttl_seconds, settings),
            next_ns=sent_ns + _interval_ns(ttl_seconds),
        )

    def renewed(self, sent_ns: int, ttl_seconds: int) -> Schedule:
        """After a renewal sent at ``sent_ns``. The deadline never falls."""
        fresh = Schedule.granted(self.settings, sent_ns, ttl_seconds)
        if fresh.deadline_ns >= self.deadline_ns:
            return fresh
        return replace(fresh, deadline_ns=self.deadline_ns)

    def failed(self, now_ns: int) -> Schedule:
        """After a renewal whose answer did not come."""
        retry_ns = now_ns + round(self.settings.retry_seconds * NANOSECONDS)
        return Schedule(
            self.settings, self.ttl_seconds, self.deadline_ns, retry_ns, self.failures + 1
        )

    @property
    def failure_is_news(self) -> bool:
        """Whether the last failure is worth a line: the 1st, 2nd, 4th, 8th and so on."""
        return self.failures > 0 and self.failures & (self.failures - 1) == 0

    def held_back(self, now_ns: int) -> Schedule:
        """After the gate said no."""
        return replace(self, next_ns=now_ns + round(self.settings.gate_seconds * NANOSECONDS))

    def wait_seconds(self, now_ns: int) -> float:
        """How long until the next renewal; 0 when it is due."""
        return max(0, self.next_ns - now_ns) / NANOSECONDS

    def timeout_seconds(self) -> float:
        """For how long to wait for an answer: three calls fit into the TTL."""
        return min(self.settings.timeout_seconds_max, self.ttl_seconds / 3)


def _interval_ns(ttl_seconds: int) -> int:
    return ttl_seconds * NANOSECONDS // 3
