"""The report for people: one table, then what is to be noted or complained about."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shoal.demo.events import EventKind
from shoal.demo.flash_sale.disturbance import Disturbance
from shoal.demo.flash_sale.report import Report


def rows_of(report: Report) -> list[tuple[str, str]]:
    reads, load, stale = report.reads, report.origin_load, report.staleness
    return [
        ("reads", f"{reads.total:,} ({reads.per_second:,.0f}/s)"),
        ("hit ratio", f"{reads.hit_ratio:.1%}"),
        ("latency", f"p50 {reads.p50_ms:.2f} ms, p99 {reads.p99_ms:.2f} ms"),
        ("origin queries", f"{load.queries:,} ({load.queries_per_second:,.0f}/s)"),
        ("... for the viral key", f"{load.viral_queries:,}"),
        (
            "viral reloads in the sale",
            f"{load.viral_reloads_in_sale}, {load.mean_herd:.1f} queries each on average",
        ),
        ("worst herd", f"{load.worst_herd} identical queries for one reload"),
        *(
            [("... past a dead node", f"{load.viral_queries_past_the_cache} queries besides")]
            if load.viral_queries_past_the_cache
            else []
        ),
        ("longest load", f"{load.longest_load_ms:.0f} ms"),
        ("price changes", f"{report.price_changes.changes:,}"),
        (
            "stale answers",
            f"{stale.stale:,} of {stale.judged:,} judged, "
            f"{stale.stale_after_delete:,} of them after the delete",
        ),
        ("worst staleness", f"{stale.worst_ms:,.2f} ms"),
        (
            "beyond the window",
            f"{stale.beyond_window} (window: {stale.window_ms / 1_000:.2f} s)",
        ),
        ("cache failures", f"{report.cache_failures:,}, answered from the origin"),
        ("reads not answered", f"{reads.failed:,}"),
        *(row for each in report.disturbances for row in rows_of_disturbance(each)),
    ]


def rows_of_disturbance(found: Disturbance) -> list[tuple[str, str]]:
    return [
        _headline(found),
        (
            "... cache failures",
            f"{found.cache_failures:,}"
            + (
                f", the last {found.failing_seconds:.1f} s after it" if found.cache_failures else ""
            ),
        ),
        (
            "... origin queries",
            f"{found.origin_per_second_before:,.0f}/s before, at worst "
            f"{found.origin_per_second_worst:,.0f}/s",
        ),
        ("... p99", f"{found.p99_ms_before:.2f} ms before, at worst {found.p99_ms_worst:.0f} ms"),
    ]


def _headline(found: Disturbance) -> tuple[str, str]:
    if found.kind is EventKind.NODE_KILLED:
        return f"kill -9 of {found.node}", f"after {found.at_seconds:.1f} s"
    settled = (
        "it had not its share at the end"
        if found.settled_seconds is None
        else f"it had its share {found.settled_seconds:.1f} s later"
    )
    return f"{found.node} joins", f"after {found.at_seconds:.1f} s; {settled}"


def summary_of(report: Report) -> RenderableType:
    table = Table(
        title=f"flash sale, {report.settings.mode}",
        title_justify="left",
        box=SIMPLE,
        show_header=False,
    )
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    for name, figures in rows_of(report):
        table.add_row(name, figures)
    lines: list[RenderableType] = [Padding(table, (1, 0, 0, 0))]
    if report.first_failure is not None:
        lines.append(Text(f"First failure: {report.first_failure}"))
    lines += [Text(f"Note: {note}") for note in report.notes]
    lines += [Text(f"WRONG: {complaint}", style="bold red") for complaint in report.complaints]
    return Group(*lines)
