"""The picture of a run: what reached the database, over time.

Four panels share the time axis: viral queries per 100 ms, all other queries per 100 ms,
reads per second, p99 latency per second. Expiries of the viral key are thin lines
through the query panels; events (the sale's start) run through all, with their label on
top. Several reports stand side by side with the same scales, so that they compare.

Where a node died or joined, a fifth panel shows what the cache did not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.demo.flash_sale.expiries import Cause
from shoal.demo.flash_sale.report import Report
from shoal.demo.flash_sale.settings import MS_PER_SECOND, Mode
from shoal.demo.flash_sale.timeline import regroup
from shoal.demo.picture import (
    BLUE,
    GREEN,
    MUTED,
    OCHRE,
    PALE_BLUE,
    RED,
    VIOLET,
    draw_marks,
    saved_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMN_INCHES, _HEIGHT_INCHES = 11.0, 8.2
_PANEL_INCHES = 1.3
"""More height for the panel of failures."""
_VIRAL, _OTHER, _READS, _LATENCY, _FAILURES = RED, PALE_BLUE, BLUE, VIOLET, RED
_EXPIRED, _INVALIDATED = OCHRE, GREEN
_TITLES = {
    Mode.NAIVE: "Plain cache-aside",
    Mode.LEASED: "The toolkit with fill leases",
}


def draw(reports: Sequence[Report], path: Path) -> None:
    """Writes a PNG with one column per report. Raises ``ChartUnavailable``."""
    assert reports, "a chart needs a report"
    height_inches = _HEIGHT_INCHES + (_PANEL_INCHES if _has_disturbance(reports) else 0.0)
    width_inches = _COLUMN_INCHES * len(reports)
    with saved_figure(path, width_inches=width_inches, height_inches=height_inches) as figure:
        _draw_on(figure, reports)


def _has_disturbance(reports: Sequence[Report]) -> bool:
    return any(report.disturbances for report in reports)


def title_of(report: Report) -> str:
    worst = report.origin_load.worst_herd
    finding = (
        f"one viral key expires, up to {worst} identical queries hit the database"
        if worst > 1
        else "one viral key expires, one query reaches the database"
    )
    return f"Flash sale: {finding}"


def subtitle_of(report: Report) -> str:
    settings, load = report.settings, report.origin_load
    past = (
        f"; {load.viral_queries_past_the_cache} queries while its node was dead"
        if load.viral_queries_past_the_cache
        else ""
    )
    return (
        f"{_TITLES[settings.mode]}: in the sale the viral key was loaded "
        f"{load.viral_reloads_in_sale} times, with {load.mean_herd:.1f} queries each on average, "
        f"where 1 would do.\n"
        f"{report.origin}, {settings.products:,} products; {settings.workers} x "
        f"{settings.threads} threads; TTL {settings.ttl_ms / MS_PER_SECOND:g} s; hit ratio "
        f"{report.reads.hit_ratio:.1%}; answers staler than documented: "
        f"{report.staleness.beyond_window}{past}"
    )


def _draw_on(figure: Figure, reports: Sequence[Report]) -> None:
    heights = (3.2, 1.8, 1.2, 1.2, 1.2) if _has_disturbance(reports) else (3.2, 1.8, 1.2, 1.2)
    grid = figure.add_gridspec(
        len(heights),
        len(reports),
        height_ratios=heights,
        left=0.095 / len(reports),
        right=1 - 0.02 / len(reports),
        top=0.83,
        bottom=0.115,
        hspace=0.22,
        wspace=0.12,
    )
    rows: list[list[Axes]] = [[] for _ in heights]
    for column, report in enumerate(reports):
        for row, panels in enumerate(rows):
            panels.append(
                figure.add_subplot(
                    grid[row, column],
                    sharex=rows[0][column] if row else None,
                    sharey=panels[0] if panels else None,
                )
            )
        axes = [panels[column] for panels in rows]
        _draw_queries(axes[0], report, report.series.viral_queries, _VIRAL)
        _write_herds(axes[0], report)
        _draw_queries(axes[1], report, report.series.other_queries, _OTHER)
        _draw_reads(axes[2], report)
        _draw_latency(axes[3], report)
        if len(axes) > 4:
            _draw_failures(axes[4], report)
        axes[0].set_xlim(0, report.settings.seconds)
        draw_marks(axes, report.events)
        _label_column(figure, axes, report)
    # The same height whatever happened, so that two charts can be laid side by side.
    most = max(report.settings.callers for report in reports)
    seen = max(max(report.series.viral_queries) for report in reports)
    rows[0][0].set_ylim(0, max(most, seen) * 1.08)
    for panels in [*rows[1:3], *rows[4:]]:
        panels[0].set_ylim(bottom=0)
    lowest_ms, highest_ms = rows[3][0].get_ylim()
    rows[3][0].set_ylim(min(1.0, lowest_ms), max(1_000.0, highest_ms))
    _label_rows(rows)
    _draw_legend(figure, rows[0][0])


def _draw_queries(axes: Axes, report: Report, counts: Sequence[int], color: str) -> None:
    width_seconds = report.series.bin_ms / MS_PER_SECOND
    starts = [index * width_seconds for index in range(len(counts))]
    axes.bar(starts, counts, width=width_seconds, align="edge", color=color, linewidth=0, zorder=3)
    for mark in report.disappearances:
        expired = mark.kind == Cause.EXPIRED
        axes.axvline(
            mark.at_seconds,
            color=_EXPIRED if expired else _INVALIDATED,
            linestyle=(0, (4, 3)) if expired else (0, (1, 2)),
            linewidth=1.1,
            zorder=2,
        )


def _write_herds(axes: Axes, report: Report) -> None:
    """The size of each herd, right of its bars; the bars alone spread it over several bins."""
    for herd in report.herds:
        at = int(herd.at_seconds * MS_PER_SECOND / report.series.bin_ms)
        is_near_the_end = herd.at_seconds > 0.92 * report.settings.seconds
        height = max(report.series.viral_queries[at : at + 5], default=0)
        axes.annotate(
            f"{herd.queries}",
            xy=(herd.at_seconds, height),
            xytext=(-4 if is_near_the_end else 5, 3),
            textcoords="offset points",
            ha="right" if is_near_the_end else "left",
            color=_VIRAL,
            fontsize=10.5,
            fontweight="normal" if herd.is_past_the_cache else "bold",
            zorder=5,
        )


def _draw_reads(axes: Axes, report: Report) -> None:
    bins = MS_PER_SECOND // report.series.bin_ms
    counts = regroup(list(report.series.reads), size=bins)
    axes.stairs(counts, range(len(counts) + 1), color=_READS, fill=True, alpha=0.25)
    axes.stairs(counts, range(len(counts) + 1), color=_READS, linewidth=1.4)


def _draw_latency(axes: Axes, report: Report) -> None:
    # In a second without an answer there is no latency: the line runs on to the next one.
    seconds = [second for second in report.series.seconds if second.reads_per_second > 0]
    axes.plot(
        [second.elapsed_seconds - 0.5 for second in seconds],
        [second.p99_ms for second in seconds],
        color=_LATENCY,
        linewidth=1.4,
        marker=".",
        markersize=4,
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")


def _draw_failures(axes: Axes, report: Report) -> None:
    """Reads and deletes that the cache did not answer, per second."""
    seconds = report.series.seconds
    so_far = [0, *(second.failures_so_far for second in seconds)]
    counts = [after - before for before, after in pairwise(so_far)]
    starts = [second.elapsed_seconds - 1.0 for second in seconds]
    axes.bar(starts, counts, width=1.0, align="edge", color=_FAILURES, linewidth=0, zorder=3)


def _label_column(figure: Figure, axes: Sequence[Axes], report: Report) -> None:
    from matplotlib.ticker import MaxNLocator

    for panel in axes[:-1]:
        panel.tick_params(labelbottom=False)
    axes[-1].set_xlabel("seconds since the load began")
    axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    left = axes[0].get_position().x0
    figure.text(left, 0.965, title_of(report), fontsize=14.5, fontweight="bold", va="top")
    figure.text(left, 0.925, subtitle_of(report), fontsize=10, color=MUTED, va="top")


def _label_rows(rows: Sequence[Sequence[Axes]]) -> None:
    labels = (
        "viral key:\nqueries per 100 ms",
        "other keys:\nqueries/100 ms",
        "reads/s",
        "p99, ms",
        "cache\nfailures/s",
    )
    for panels, label in zip(rows, labels, strict=False):
        panels[0].set_ylabel(label)
        for panel in panels[1:]:
            panel.tick_params(labelleft=False)
    rows[0][0].figure.align_ylabels([panels[0] for panels in rows])


def _draw_legend(figure: Figure, axes: Axes) -> None:
    """Below the panels, so that it never lies over the data."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=_VIRAL, label="viral key (number: queries per reload)"),
        Patch(color=_OTHER, label="other keys"),
        Line2D([], [], color=_EXPIRED, linestyle=(0, (4, 3)), label="viral key expired"),
        Line2D(
            [], [], color=_INVALIDATED, linestyle=(0, (1, 2)), label="its price changed (deleted)"
        ),
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(axes.get_position().x0 - 0.008, 0.005),
        ncols=len(handles),
        frameon=False,
    )
