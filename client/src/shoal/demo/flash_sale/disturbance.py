"""What a node that dies or joins did to the sale: the figures around it, from each second's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from shoal.demo.events import EventKind
from shoal.demo.flash_sale.ledger import Second

BEFORE_SECONDS = 5.0
"""How much of the time before it is compared with."""
DISTURBING = (EventKind.NODE_ADDED, EventKind.NODE_KILLED)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Seconds are since the load began. A cache failure is a read or delete not answered."""

    kind: EventKind
    node: str
    at_seconds: float
    settled_seconds: float | None
    """From it until the node that joined served its share; None: it did not, or was none."""
    cache_failures: int
    """From it on, until the next."""
    failing_seconds: float
    """From it to the end of the last second in which something failed."""
    origin_per_second_before: float
    origin_per_second_worst: float
    p99_ms_before: float
    p99_ms_worst: float


def disturbance_of(
    kind: EventKind,
    node: str,
    at_seconds: float,
    seconds: Sequence[Second],
    *,
    until_seconds: float = float("inf"),
    settled_at_seconds: float | None = None,
) -> Disturbance:
    """Compare what came after it, until the next one, with the seconds before it."""
    before = [
        second
        for second in seconds
        if at_seconds - BEFORE_SECONDS <= second.elapsed_seconds <= at_seconds
    ]
    after = [second for second in seconds if at_seconds < second.elapsed_seconds <= until_seconds]
    earlier = [second for second in seconds if second.elapsed_seconds <= at_seconds]
    failures_before = earlier[-1].failures_so_far if earlier else 0
    failing_seconds, so_far = 0.0, failures_before
    for second in after:
        if second.failures_so_far > so_far:
            failing_seconds = second.elapsed_seconds - at_seconds
        so_far = second.failures_so_far
    return Disturbance(
        kind=kind,
        node=node,
        at_seconds=at_seconds,
        settled_seconds=None if settled_at_seconds is None else settled_at_seconds - at_seconds,
        cache_failures=so_far - failures_before,
        failing_seconds=failing_seconds,
        origin_per_second_before=_mean([each.all_queries_per_second for each in before]),
        origin_per_second_worst=max((each.all_queries_per_second for each in after), default=0.0),
        p99_ms_before=_mean([each.p99_ms for each in before]),
        p99_ms_worst=max((each.p99_ms for each in after), default=0.0),
    )


def is_failing(at_seconds: float, disturbances: Sequence[Disturbance]) -> bool:
    """Whether a node was dead then, and the cache failed some of what it was asked."""
    return any(
        each.kind is EventKind.NODE_KILLED
        and each.at_seconds <= at_seconds < each.at_seconds + each.failing_seconds
        for each in disturbances
    )


def _mean(figures: Sequence[float]) -> float:
    return fmean(figures) if figures else 0.0
