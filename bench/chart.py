"""The goals and CPU per operation as a picture (SVG or PNG, by the file's name)."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.finding import Finding, Outcome
from bench.results import Results

_COLOURS = {"Shoal": "#0b7285", "Redis": "#c92a2a", "Valkey": "#5f3dc4", "memcached": "#868e96"}
_OUTCOME_COLOURS = {
    Outcome.MET: "#2b8a3e",
    Outcome.MISSED: "#c92a2a",
    Outcome.UNKNOWN: "#f08c00",
    Outcome.NONE: "#868e96",
}
_BAR_HEIGHT = 0.8


def draw(results: Results, path: Path) -> None:
    """CPU per key on the left, every figure that has a goal on the right."""
    bars = [each for each in results.findings if each.unit == "us CPU per key"]
    judged = [each for each in results.findings if each.figure is not None and each.goal]
    figure = Figure(figsize=(13, 1.5 + 0.75 * max(len(bars), len(judged), 3)), layout="tight")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    _draw_bars(left, bars)
    _draw_goals(right, judged)
    figure.suptitle("Server CPU per key, and the figures that have a goal (medians, extremes)")
    figure.savefig(path)


def _draw_bars(axes: Axes, findings: list[Finding]) -> None:
    labelled: set[str] = set()
    for at, finding in enumerate(findings):
        height = _BAR_HEIGHT / len(finding.rows)
        for place, row in enumerate(finding.rows):
            value = row.value
            axes.barh(
                at - _BAR_HEIGHT / 2 + height * (place + 0.5),
                value.median,
                height * 0.9,
                xerr=[[value.median - value.low], [value.high - value.median]],
                color=_COLOURS.get(row.server, "#adb5bd"),
                label=None if row.server in labelled else row.server,
                error_kw={"elinewidth": 0.8},
            )
            labelled.add(row.server)
    axes.set_yticks(range(len(findings)), [finding.name for finding in findings])
    axes.invert_yaxis()
    axes.set_xlabel("us of server CPU per key (less is better)")
    if labelled:
        axes.legend()


def _draw_goals(axes: Axes, findings: list[Finding]) -> None:
    """Each figure as a share of its goal, so that all fit on one axis; 1 is the goal."""
    labels = []
    for at, finding in enumerate(findings):
        assert finding.figure is not None
        assert finding.goal is not None
        sample, bound = finding.figure, finding.goal.bound
        labels.append(f"{finding.name} {finding.goal.text}")
        axes.errorbar(
            sample.median / bound,
            at,
            xerr=[[(sample.median - sample.low) / bound], [(sample.high - sample.median) / bound]],
            fmt="o",
            color=_OUTCOME_COLOURS[finding.outcome],
            capsize=3,
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(findings)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("figure / goal")
