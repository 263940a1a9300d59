"""Waiting for a cluster to have done something, over elections, and telling how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from shoal.cli.failure import ClusterUnreachable
from shoal.cli.progress import Dwindling, Tell

_LOOK_SECONDS = 0.5
_SILENCE_SECONDS_MAX = 30.0
"""For so long no coordinator needs to answer: another is elected meanwhile."""

patience_option = click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0.0, min_open=True),
    default=3600.0,
    show_default=True,
    help="Seconds to wait at most; the exit code is 1 when they are over.",
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of it once: a sentence, and how many are left of whatever it counts."""

    sentence: str
    left: int
    is_over: bool


def wait_until_over(look: Callable[[], Sight], within_seconds: float, tell: Tell) -> Sight | None:
    """Return what was seen last: that it is over, or what there was when the time was.

    None: nobody told within the time.
    Raises what ``look`` raises, but ClusterUnreachable only after a while of nothing else.
    """
    deadline = time.monotonic() + within_seconds
    heard = time.monotonic()
    dwindling = Dwindling()
    seen = None
    while True:
        try:
            seen = look()
        except ClusterUnreachable:
            if time.monotonic() - heard > _SILENCE_SECONDS_MAX:
                raise
        else:
            heard = time.monotonic()
            tell(seen.sentence, dwindling.part(seen.left))
            if seen.is_over:
                return seen
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            return seen
        time.sleep(min(_LOOK_SECONDS, remaining_seconds))
