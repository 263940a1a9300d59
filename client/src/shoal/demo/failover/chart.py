"""The picture of a run: acknowledged writes, latency and errors over time, with the marks.

Three panels share the time axis, 100 ms a step; each ack level has a colour of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shoal import Ack
from shoal.demo.failover.report import Report
from shoal.demo.failover.summary import NAMES, loss_of, words_of
from shoal.demo.picture import BLUE, MUTED, RED, draw_marks, saved_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES, _HEIGHT_INCHES = 12.0, 8.0
_COLORS = {Ack.PRIMARY: RED, Ack.IN_SYNC: BLUE}
_LEFT = 0.075


def draw(report: Report, path: Path) -> None:
    """Writes what the path's suffix says. Raises ``ChartUnavailable``."""
    with saved_figure(path, width_inches=_WIDTH_INCHES, height_inches=_HEIGHT_INCHES) as figure:
        _draw_on(figure, report)


def title_of(report: Report) -> str:
    lost = next((each.lost for each in report.verdicts if each.ack is Ack.IN_SYNC), 0)
    return (
        "Failover: no write that was acknowledged IN_SYNC is lost"
        if not lost
        else f"Failover: {lost} writes that were acknowledged IN_SYNC are LOST"
    )


def subtitle_of(report: Report) -> str:
    lines = [
        f"{felt.mark.label}: {NAMES[recovery.ack]}: {'; '.join(words_of(recovery))}"
        for felt in report.felt
        for recovery in felt.recoveries
    ]
    return "\n".join([" ".join(loss_of(verdict) for verdict in report.verdicts), *lines])


def _draw_on(figure: Figure, report: Report) -> None:
    grid = figure.add_gridspec(
        3, 1, height_ratios=(1.6, 1.6, 1.0), left=_LEFT, right=0.985, top=0.76, bottom=0.1
    )
    axes: list[Axes] = []
    for row in range(3):
        axes.append(figure.add_subplot(grid[row, 0], sharex=axes[0] if axes else None))
    axes[0].set_xlim(0, report.seconds)
    step_seconds = report.bin_ms / 1_000
    for series in report.series:
        color, label = _COLORS[series.ack], NAMES[series.ack]
        edges = [index * step_seconds for index in range(len(series.acknowledged) + 1)]
        per_second = [count / step_seconds for count in series.acknowledged]
        axes[0].stairs(per_second, edges, color=color, linewidth=1.3, label=label)
        seen = [(at, ms) for at, ms in zip(edges, series.worst_ms, strict=False) if ms > 0]
        axes[1].plot(
            [at + step_seconds / 2 for at, _ in seen],
            [ms for _, ms in seen],
            color=color,
            linestyle="none",
            marker=".",
            markersize=4,
        )
        axes[2].stairs(series.errors, edges, color=color, fill=True, alpha=0.6)
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("writes\nacknowledged/s")
    axes[1].set_yscale("log")
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].set_ylabel("worst latency, ms")
    axes[2].set_ylim(0, max(1, *(max(series.errors) for series in report.series)) * 1.1)
    axes[2].set_ylabel("errors\nper 100 ms")
    axes[2].set_xlabel("seconds since the load began")
    for panel in axes[:-1]:
        panel.tick_params(labelbottom=False)
    figure.align_ylabels(axes)
    draw_marks(axes, report.marks)
    figure.text(_LEFT, 0.975, title_of(report), fontsize=14.5, fontweight="bold", va="top")
    figure.text(_LEFT, 0.935, subtitle_of(report), fontsize=9.5, color=MUTED, va="top")
    figure.legend(loc="lower left", bbox_to_anchor=(_LEFT, 0.0), ncols=2, frameon=False)
