"""What a region is made with, checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shoal._core.durations import Duration, duration_ms
from shoal._errors import ConfigurationError, DeadlineExceeded
from shoal._toolkit.regions.write_queue import WriteQueue

WRITERS = 4
"""Writes to the origin at once, of one region; of a key there is one at a time."""


class Write(StrEnum):
    """When a write reaches the origin."""

    THROUGH = "through"
    """Before ``put`` returns."""

    BEHIND = "behind"
    """A moment later. What waits is lost when the process dies."""


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How a region writes."""

    write: Write
    max_queued: int
    max_delay_seconds: float

    def queue(self) -> WriteQueue:
        """Return an empty queue with these bounds."""
        return WriteQueue(max_queued=self.max_queued, delay_seconds=self.max_delay_seconds)


def write_settings(write: Write | str, max_queued: int, max_delay: Duration) -> WriteSettings:
    """Return the settings. Raises ConfigurationError, InvalidRequest."""
    try:
        choice = Write(write)
    except ValueError as error:
        raise ConfigurationError(f"write must be 'through' or 'behind', not {write!r}") from error
    if max_queued < 1:
        raise ConfigurationError(f"max_queued must be 1 or more, not {max_queued}")
    return WriteSettings(choice, max_queued, duration_ms(max_delay, "max_delay") / 1000)


def not_flushed(region: str, left: int, last_error: Exception | None) -> DeadlineExceeded:
    """Return the error of a flush whose time ran out."""
    why = f"; the origin said last: {last_error!r}" if last_error is not None else ""
    return DeadlineExceeded(
        f"{left} writes of region {region!r} have not reached the origin in time{why}",
        reason="NOT_FLUSHED",
    )
