"""What the run's processes say to each other, over one pipe each.

A child says ``Ready`` once it is connected, is told ``Begin``, sends a tick twice a
second, and ends with one whose ``last`` is true; or it says ``GaveUp``. A pipe that the
parent closed means: stop.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from shoal.demo.flash_sale.query_log import Queries
from shoal.demo.flash_sale.tally import Tally

TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ready:
    """The child is connected to cache and origin."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The load begins at this CLOCK_MONOTONIC time, the same for every process."""

    begin_ns: int


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The child cannot go on; ``reason`` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkerTick:
    """What one worker process did since its last tick."""

    tally: Tally
    queries: Queries
    viral_misses_ns: array[int]
    """When the viral key was missed after it had been hit."""
    cache_failures: int
    first_cache_failure: str | None
    longest_load_ns: int
    last: bool


@dataclass(frozen=True, slots=True)
class UpdaterTick:
    """What the updater did since its last tick."""

    changes: int
    failed_deletes: int
    slowest_commit_ns: int
    settled_ns: int
    """Every change that was committed by then stands in the history, stamped."""
    last: bool


Message = Ready | GaveUp | WorkerTick | UpdaterTick
"""From a child to the run."""
