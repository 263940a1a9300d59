"""How long each mark was felt: from the mark to the first acknowledged write at its node.

Only lanes whose partition the node served when it was hurt are looked at. A write counts
if it began after the mark, or waited over it: one that was under way and is answered
within GRACE_MS was answered by the node itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shoal import Ack
from shoal.demo.failover.journal import Doing, Record

GRACE_MS = 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """Milliseconds from the mark; None where no such write was acknowledged any more."""

    ack: Ack
    first_ms: float | None
    """To the first acknowledged write of any of the partitions."""
    all_ms: float | None
    """Until every one of the partitions had one."""
    errors: int
    worst_latency_ms: float


def recovery_of(
    records: Sequence[Record],
    partitions: Collection[int],
    ack: Ack,
    *,
    at_ns: int,
    until_ns: int,
) -> Recovery:
    """Judge the operations that ended between a mark and the next one."""
    affected = [
        record
        for record in records
        if record.ack is ack
        and record.partition in partitions
        and at_ns < record.ended_ns <= until_ns
    ]
    first_ns: dict[int, int] = {}
    for record in affected:
        began_or_waited = record.started_ns >= at_ns or record.ended_ns >= at_ns + GRACE_MS * 10**6
        if record.doing is Doing.WRITE and not record.is_error and began_or_waited:
            earlier = first_ns.get(record.partition, record.ended_ns)
            first_ns[record.partition] = min(earlier, record.ended_ns)
    written = {record.partition for record in records if record.ack is ack} & set(partitions)
    is_complete = bool(written) and first_ns.keys() >= written
    return Recovery(
        ack=ack,
        first_ms=(min(first_ns.values()) - at_ns) / 1e6 if first_ns else None,
        all_ms=(max(first_ns.values()) - at_ns) / 1e6 if is_complete else None,
        errors=sum(record.is_error for record in affected),
        worst_latency_ms=max((record.latency_ms for record in affected), default=0.0),
    )
