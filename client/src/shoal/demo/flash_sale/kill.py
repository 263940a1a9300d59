"""What the kill of a node did to the sale: the figures around it, from those of each second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from shoal.demo.flash_sale.ledger import Second

BEFORE_SECONDS = 5.0
"""How much of the time before the kill it is compared with."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Seconds are since the load began. A cache failure is a read or delete not answered."""

    node: str
    at_seconds: float
    cache_failures: int
    """From the kill on."""
    failing_seconds: float
    """From the kill to the end of the last second in which something failed."""
    origin_per_second_before: float
    origin_per_second_worst: float
    p99_ms_before: float
    p99_ms_worst: float


def kill_of(node: str, at_seconds: float, seconds: Sequence[Second]) -> Kill:
    """Compare what came after a kill with the seconds before it."""
    before = [
        second
        for second in seconds
        if at_seconds - BEFORE_SECONDS <= second.elapsed_seconds <= at_seconds
    ]
    after = [second for second in seconds if second.elapsed_seconds > at_seconds]
    earlier = [second for second in seconds if second.elapsed_seconds <= at_seconds]
    failures_before = earlier[-1].failures_so_far if earlier else 0
    failing_seconds, so_far = 0.0, failures_before
    for second in after:
        if second.failures_so_far > so_far:
            failing_seconds = second.elapsed_seconds - at_seconds
        so_far = second.failures_so_far
    return Kill(
        node=node,
        at_seconds=at_seconds,
        cache_failures=so_far - failures_before,
        failing_seconds=failing_seconds,
        origin_per_second_before=_mean([each.all_queries_per_second for each in before]),
        origin_per_second_worst=max((each.all_queries_per_second for each in after), default=0.0),
        p99_ms_before=_mean([each.p99_ms for each in before]),
        p99_ms_worst=max((each.p99_ms for each in after), default=0.0),
    )


def _mean(figures: Sequence[float]) -> float:
    return fmean(figures) if figures else 0.0
