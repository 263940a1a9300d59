from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal import Ack
from shoal.demo.failover.journal import Doing, Ending, Record
from shoal.demo.failover.recovery import Recovery, recovery_of

MS = 1_000_000
BEGIN_NS = 50_000 * MS
Make = Callable[..., Record]


def felt(records: list[Record], **options: Any) -> Recovery:
    named = {"at_ns": BEGIN_NS + 1_000 * MS, "until_ns": BEGIN_NS + 9_000 * MS, **options}
    return recovery_of(records, {1, 2}, Ack.IN_SYNC, **named)


def test_the_first_write_and_the_last_partition(record: Make) -> None:
    before = [record(500, 2, partition=partition) for partition in (1, 2, 3)]
    recovery = felt(
        [
            *before,
            record(1_100, 2, partition=3),
            record(2_000, 5, partition=1),
            record(2_100, 5, partition=1),
            record(3_000, 5, partition=2),
        ]
    )
    assert (recovery.first_ms, recovery.all_ms) == (1_005.0, 2_005.0)


def test_a_write_that_the_dying_node_answered_is_not_its_successors(record: Make) -> None:
    records = [record(999, 5), record(990, 1_500, partition=2), record(3_000, 5)]
    assert felt(records).first_ms == 1_490.0


def test_a_partition_that_never_came_back_is_told(record: Make) -> None:
    records = [record(500, 2), record(500, 2, partition=2), record(2_000, 5)]
    recovery = felt([*records, record(1_500, 20, partition=2, ending=Ending.NOT_APPLIED)])
    assert (recovery.first_ms, recovery.all_ms) == (1_005.0, None)
    assert recovery.errors == 1
    assert felt(records[:1]).first_ms is None


def test_reads_and_the_other_ack_do_not_count_as_writes(record: Make) -> None:
    records = [record(1_500, 2, doing=Doing.READ), record(1_600, 2, ack=Ack.PRIMARY)]
    recovery = felt(records)
    assert recovery.first_ms is None
    assert recovery.worst_latency_ms == 2.0


def test_what_ended_after_the_next_mark_is_not_this_ones(record: Make) -> None:
    assert felt([record(9_500, 2)]).first_ms is None
