"""The run's result, as a value: written as JSON, drawn as a chart, printed as a table.

Times are seconds since the load began. ``complaints`` is what makes the run a failure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shoal import Ack
from shoal.demo.events import EventKind
from shoal.demo.failover.journal import Doing, Journal, Record
from shoal.demo.failover.recovery import Recovery, recovery_of
from shoal.demo.failover.settings import NS_PER_SECOND, Settings
from shoal.demo.failover.story import Step
from shoal.demo.failover.verdict import Verdict
from shoal.demo.latency import LatencyHistogram
from shoal.demo.picture import Mark

BIN_MS = 100
_HURT = (EventKind.NODE_KILLED, EventKind.NODE_TERMINATED)


@dataclass(frozen=True, slots=True)
class Felt:
    """A mark, and how its node's partitions came back, by ack level."""

    mark: Mark
    recoveries: Sequence[Recovery]


@dataclass(frozen=True, slots=True)
class Load:
    """The operations of one ack level."""

    ack: Ack
    writes: int
    reads: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Series:
    """Of one ack level, per bin; by when the operation ended."""

    ack: Ack
    acknowledged: Sequence[int]
    errors: Sequence[int]
    worst_ms: Sequence[float]


@dataclass(frozen=True, slots=True)
class Report:
    settings: Settings
    seconds: float
    load: Sequence[Load]
    marks: Sequence[Mark]
    felt: Sequence[Felt]
    verdicts: Sequence[Verdict]
    first_error: str
    bin_ms: int
    series: Sequence[Series]
    complaints: Sequence[str]

    def write_json(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def report_of(
    settings: Settings,
    journal: Journal,
    steps: Sequence[Step],
    verdicts: Sequence[Verdict],
    complaints: Sequence[str],
    *,
    begin_ns: int,
    end_ns: int,
) -> Report:
    records = journal.records
    marks = [
        Mark((step.event.at_ns - begin_ns) / NS_PER_SECOND, step.event.kind, step.event.label)
        for step in steps
    ]
    first = next((record for record in records if record.is_error), None)
    return Report(
        settings=settings,
        seconds=(end_ns - begin_ns) / NS_PER_SECOND,
        load=[_load(records, ack) for ack in Ack],
        marks=marks,
        felt=_felt(records, steps, marks, end_ns),
        verdicts=verdicts,
        first_error="" if first is None else f"{first.reason} ({first.ending})",
        bin_ms=BIN_MS,
        series=[_series(records, ack, begin_ns, end_ns) for ack in Ack],
        complaints=[*complaints, *_losses(verdicts)],
    )


def _felt(
    records: Sequence[Record], steps: Sequence[Step], marks: Sequence[Mark], end_ns: int
) -> list[Felt]:
    ends_ns = [*(step.event.at_ns for step in steps[1:]), end_ns]
    return [
        Felt(
            mark,
            [
                recovery_of(
                    records, step.partitions, ack, at_ns=step.event.at_ns, until_ns=until_ns
                )
                for ack in Ack
            ],
        )
        for step, mark, until_ns in zip(steps, marks, ends_ns, strict=True)
        if step.event.kind in _HURT
    ]


def _load(records: Sequence[Record], ack: Ack) -> Load:
    latency = LatencyHistogram()
    mine = [record for record in records if record.ack is ack]
    for record in mine:
        latency.record(round(record.latency_ms * 1_000))
    return Load(
        ack=ack,
        writes=sum(record.doing is Doing.WRITE for record in mine),
        reads=sum(record.doing is Doing.READ for record in mine),
        errors=sum(record.is_error for record in mine),
        p50_ms=latency.quantile_ms(0.5),
        p99_ms=latency.quantile_ms(0.99),
        max_ms=latency.quantile_ms(1.0),
    )


def _series(records: Sequence[Record], ack: Ack, begin_ns: int, end_ns: int) -> Series:
    bin_ns = BIN_MS * 1_000_000
    bins = max(1, -(-(end_ns - begin_ns) // bin_ns))
    acknowledged, errors, worst_ms = [0] * bins, [0] * bins, [0.0] * bins
    for record in records:
        at = (record.ended_ns - begin_ns) // bin_ns
        if record.ack is not ack or not 0 <= at < bins:
            continue
        acknowledged[at] += record.doing is Doing.WRITE and not record.is_error
        errors[at] += record.is_error
        worst_ms[at] = max(worst_ms[at], record.latency_ms)
    return Series(ack, acknowledged, errors, worst_ms)


def _losses(verdicts: Sequence[Verdict]) -> list[str]:
    complaints = []
    for verdict in verdicts:
        if verdict.ack is Ack.IN_SYNC and verdict.lost:
            complaints.append(
                f"{verdict.lost} of {verdict.acknowledged} writes that were acknowledged IN_SYNC "
                f"are lost, among them {', '.join(verdict.examples)}."
            )
        if not verdict.acknowledged:
            complaints.append(f"No {verdict.ack} write was acknowledged: the run shows nothing.")
    return complaints
