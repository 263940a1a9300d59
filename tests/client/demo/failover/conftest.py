"""A run of ten seconds with a kill in it, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shoal import Ack
from shoal.demo.events import Event, EventKind
from shoal.demo.failover.journal import Doing, Ending, Journal, Record
from shoal.demo.failover.report import Report, report_of
from shoal.demo.failover.settings import Settings
from shoal.demo.failover.story import Step
from shoal.demo.failover.verdict import Verdict

MS = 1_000_000
BEGIN_NS = 50_000 * MS


@pytest.fixture
def record() -> Callable[..., Record]:
    def make(
        at_ms: float,
        took_ms: float,
        *,
        partition: int = 1,
        ack: Ack = Ack.IN_SYNC,
        doing: Doing = Doing.WRITE,
        ending: Ending = Ending.DONE,
    ) -> Record:
        started_ns = BEGIN_NS + round(at_ms * MS)
        reason = "" if ending is Ending.DONE else "NO_OWNER"
        ended_ns = started_ns + round(took_ms * MS)
        key = f"k{at_ms}"
        return Record(doing, key, partition, ack, started_ns, ended_ns, ending, reason)

    return make


@pytest.fixture
def make_report(record: Callable[..., Record]) -> Callable[..., Report]:
    """Partition 1 was killed's and paused from 4 s to 6.5 s; partition 2 was not."""

    def make(*, lost_in_sync: int = 0, lost_primary: int = 2) -> Report:
        journal = Journal()
        for ack in Ack:
            for at_ms in range(0, 10_000, 100):
                journal.records.append(record(at_ms, 2, partition=2, ack=ack))
                if not 4_000 <= at_ms < 6_500:
                    journal.records.append(record(at_ms, 2, ack=ack))
            journal.records.append(record(3_990, 2_510, ack=ack))
        journal.records.append(record(4_100, 300, ending=Ending.MAYBE_APPLIED))
        steps = [
            Step(
                Event(EventKind.NODE_KILLED, BEGIN_NS + 4_000 * MS, "kill -9 node-2", "node-2"),
                frozenset({1}),
            ),
            Step(Event(EventKind.NODE_RESTARTED, BEGIN_NS + 8_000 * MS, "again"), frozenset()),
        ]
        verdicts = [
            Verdict(Ack.PRIMARY, 177, lost_primary, ()),
            Verdict(Ack.IN_SYNC, 176, lost_in_sync, ("a", "b")[:lost_in_sync]),
        ]
        return report_of(
            Settings(),
            journal,
            steps,
            verdicts,
            [],
            begin_ns=BEGIN_NS,
            end_ns=BEGIN_NS + 10_000 * MS,
        )

    return make
