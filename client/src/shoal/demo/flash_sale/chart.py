"""The picture of a run: what reached the database, over time.

Four panels share the time axis: viral queries per 100 ms, all other queries per 100 ms,
reads per second, p99 latency per second. Expiries of the viral key are thin lines
through the query panels; events (the sale's start) run through all, with their label on
top. Several reports stand side by side with the same scales, so that they compare.

matplotlib is imported here alone, and drawn with Agg: no display is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.demo.flash_sale.expiries import Cause
from shoal.demo.flash_sale.failures import ChartUnavailable
from shoal.demo.flash_sale.report import Report
from shoal.demo.flash_sale.settings import MS_PER_SECOND, Mode
from shoal.demo.flash_sale.timeline import regroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMN_INCHES, _HEIGHT_INCHES, _DPI = 11.0, 8.2, 130
_INK, _MUTED, _GRID = "#22303c", "#5f6f7d", "#e3e8ec"
_VIRAL, _OTHER, _READS, _LATENCY = "#d1495b", "#8da9c4", "#2a6f97", "#7b5ea7"
_EXPIRED, _INVALIDATED, _EVENT = "#b8860b", "#2f8f6b", "#22303c"
_STYLE: Any = {
    "font.size": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}
_TITLES = {
    Mode.NAIVE: "Plain cache-aside",
    Mode.JITTERED: "TTL jitter, one load at a time per process",
}


def draw(reports: Sequence[Report], path: Path) -> None:
    """Writes a PNG with one column per report. Raises ``ChartUnavailable``."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChartUnavailable(
            "No chart was drawn, because matplotlib is missing: pip install 'shoal[demo]'."
        ) from error
    assert reports, "a chart needs a report"
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_COLUMN_INCHES * len(reports), _HEIGHT_INCHES), dpi=_DPI)
        FigureCanvasAgg(figure)
        _draw_on(figure, reports)
        figure.savefig(path, format="png")


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
    return (
        f"{_TITLES[settings.mode]}: in the sale the viral key was loaded "
        f"{load.viral_reloads_in_sale} times, with {load.mean_herd:.1f} queries each on average, "
        f"where 1 would do.\n"
        f"{report.origin}, {settings.products:,} products; {settings.workers} processes of "
        f"{settings.threads} threads; TTL {settings.ttl_ms / MS_PER_SECOND:g} s; hit ratio "
        f"{report.reads.hit_ratio:.1%}; answers staler than documented: "
        f"{report.staleness.beyond_window}"
    )


def _draw_on(figure: Figure, reports: Sequence[Report]) -> None:
    grid = figure.add_gridspec(
        4,
        len(reports),
        height_ratios=(3.2, 1.8, 1.2, 1.2),
        left=0.095 / len(reports),
        right=1 - 0.02 / len(reports),
        top=0.83,
        bottom=0.115,
        hspace=0.22,
        wspace=0.12,
    )
    rows: list[list[Axes]] = [[], [], [], []]
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
        _mark_events(axes, report)
        _label_column(figure, axes, report)
    # The same height whatever happened, so that two charts can be laid side by side.
    most = max(report.settings.callers for report in reports)
    seen = max(max(report.series.viral_queries) for report in reports)
    rows[0][0].set_ylim(0, max(most, seen) * 1.08)
    for panels in rows[1:3]:
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
            fontweight="bold",
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


def _mark_events(axes: Sequence[Axes], report: Report) -> None:
    for mark in report.events:
        for panel in axes:
            panel.axvline(mark.at_seconds, color=_EVENT, linewidth=1.4, zorder=4)
        axes[0].annotate(
            mark.label,
            xy=(mark.at_seconds, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
            fontsize=10,
        )


def _label_column(figure: Figure, axes: Sequence[Axes], report: Report) -> None:
    from matplotlib.ticker import MaxNLocator

    for panel in axes[:-1]:
        panel.tick_params(labelbottom=False)
    axes[-1].set_xlabel("seconds since the load began")
    axes[0].set_xlim(0, report.settings.seconds)
    axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    left = axes[0].get_position().x0
    figure.text(left, 0.965, title_of(report), fontsize=14.5, fontweight="bold", va="top")
    figure.text(left, 0.925, subtitle_of(report), fontsize=10, color=_MUTED, va="top")


def _label_rows(rows: Sequence[Sequence[Axes]]) -> None:
    labels = (
        "viral key:\nqueries per 100 ms",
        "other keys:\nqueries/100 ms",
        "reads/s",
        "p99, ms",
    )
    for panels, label in zip(rows, labels, strict=True):
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
