"""The report for people: a table, what was lost, and what is wrong."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shoal import Ack
from shoal.demo.failover.recovery import Recovery
from shoal.demo.failover.report import Report
from shoal.demo.failover.verdict import Verdict

NAMES = {Ack.PRIMARY: "PRIMARY", Ack.IN_SYNC: "IN_SYNC"}


def rows_of(report: Report) -> list[tuple[str, str]]:
    rows = []
    for load in report.load:
        counts = f"{load.writes:,} writes, {load.reads:,} reads, {load.errors:,} errors"
        latency = f"p50 {load.p50_ms:.2f}, p99 {load.p99_ms:.1f}, worst {load.max_ms:,.0f} ms"
        rows += [(f"{NAMES[load.ack]} load", counts), ("... latency", latency)]
    for felt in report.felt:
        rows.append((felt.mark.label, f"after {felt.mark.at_seconds:.1f} s"))
        for recovery in felt.recoveries:
            first, worst = words_of(recovery)
            rows += [(f"... {NAMES[recovery.ack]}", first), ("", worst)]
    return rows


def words_of(recovery: Recovery) -> tuple[str, str]:
    """When writes were acknowledged again after a mark, and what was felt of it."""
    return (
        f"first write {_milliseconds(recovery.first_ms)}, "
        f"all partitions {_milliseconds(recovery.all_ms)}",
        f"worst latency {recovery.worst_latency_ms:,.0f} ms, {recovery.errors} errors",
    )


def loss_of(verdict: Verdict) -> str:
    """What was lost of one ack level, in a sentence."""
    of = f"of {verdict.acknowledged:,} acknowledged {NAMES[verdict.ack]} writes"
    if not verdict.lost:
        return f"Lost {of}: nothing."
    why = " (they were on the killed node alone)" if verdict.ack is Ack.PRIMARY else ""
    return f"Lost {of}: {verdict.lost:,}{why}."


def summary_of(report: Report) -> RenderableType:
    table = Table(title="failover", title_justify="left", box=SIMPLE, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    for name, figures in rows_of(report):
        table.add_row(name, figures)
    lines: list[RenderableType] = [Padding(table, (1, 0, 0, 0))]
    if report.first_error:
        lines.append(Text(f"First error: {report.first_error}"))
    lines += [Text(loss_of(verdict), style="bold") for verdict in report.verdicts]
    lines += [Text(f"WRONG: {complaint}", style="bold red") for complaint in report.complaints]
    return Group(*lines)


def _milliseconds(duration_ms: float | None) -> str:
    return "never" if duration_ms is None else f"{duration_ms:,.0f} ms"
