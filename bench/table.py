"""Findings as tables on a terminal, and as Markdown. Pure, but for rich's drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from bench.finding import Finding, Row
from bench.results import Results
from bench.sample import Sample

_HEADINGS = (
    "server",
    "load",
    "",
    "lowest .. highest",
    "op/s",
    "p50 us",
    "p99 us",
    "core",
    "loader",
)


def show(results: Results, console: Console) -> None:
    console.print(goals_table(results.findings))
    for finding in results.findings:
        console.print(finding_table(finding))
        for sentence in sentences(finding):
            console.print(f"  {sentence}", highlight=False)
    for sentence in _left_out(results):
        console.print(sentence, highlight=False)


def goals_table(findings: Sequence[Finding]) -> Table:
    drawn = Table(title="What was asked for", title_justify="left")
    for heading in ("scenario", "figure", "median", "lowest .. highest", "goal", "outcome"):
        drawn.add_column(heading)
    for finding in findings:
        if finding.figure is not None:
            drawn.add_row(*goal_cells(finding))
    return drawn


def finding_table(finding: Finding) -> Table:
    drawn = Table(title=f"{finding.name}: {finding.title}", title_justify="left")
    rows = [row_cells(row) for row in finding.rows]
    for at in filled(rows):
        heading = _HEADINGS[at]
        justify: Literal["left", "right"] = "left" if heading in {"server", "load"} else "right"
        drawn.add_column(heading or finding.unit, justify=justify)
    for row in rows:
        drawn.add_row(*(row[at] for at in filled(rows)))
    return drawn


def goal_cells(finding: Finding) -> list[str]:
    assert finding.figure is not None
    return [
        finding.name,
        finding.figure_name,
        number(finding.figure.median),
        extremes(finding.figure),
        "" if finding.goal is None else finding.goal.text,
        str(finding.outcome),
    ]


def row_cells(row: Row) -> list[str]:
    def detail(name: str, form: str) -> str:
        return format(row.details[name], form) if name in row.details else ""

    return [
        row.server,
        row.did,
        number(row.value.median),
        extremes(row.value),
        detail("per_second", ",.0f"),
        detail("p50_us", ",.0f"),
        detail("p99_us", ",.0f"),
        detail("server_share", ".0%"),
        detail("loader_share", ".0%"),
    ]


def sentences(finding: Finding) -> list[str]:
    noise = [f"noise: {reason}" for reason in finding.reasons]
    return [*noise, *finding.notes]


def _left_out(results: Results) -> list[str]:
    skipped = [f"skipped: {sentence}" for sentence in results.skipped]
    return [*skipped, *(f"not measured: {sentence}" for sentence in results.failed)]


def markdown(results: Results) -> str:
    """The whole run, for a document."""
    machine = results.machine
    lines = [
        f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}; "
        f"{results.repetitions} repetitions, medians. "
        + ", ".join(f"{name} {version}" for name, version in results.servers.items())
        + ".",
        "",
        *_rows(
            ["scenario", "figure", "median", "lowest .. highest", "goal", "outcome"],
            [goal_cells(each) for each in results.findings if each.figure is not None],
        ),
    ]
    for finding in results.findings:
        headings = [heading or finding.unit for heading in _HEADINGS]
        lines += ["", f"**{finding.name}**: {finding.title}.", ""]
        lines += _rows(headings, [row_cells(row) for row in finding.rows])
        if said := sentences(finding):
            lines += ["", *(f"- {sentence}" for sentence in said)]
    if left_out := _left_out(results):
        lines += ["", *(f"- {sentence}" for sentence in left_out)]
    return "\n".join(lines) + "\n"


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    kept = filled(rows)

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells[at].replace("|", "\\|") for at in kept) + " |"

    return [line(headings), "| " + " | ".join("---" for _ in kept) + " |", *map(line, rows)]


def filled(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns that hold something; the others are left out."""
    return [at for at in range(len(rows[0]) if rows else 0) if any(row[at] for row in rows)]


def extremes(sample: Sample) -> str:
    if sample.count == 1:
        return ""
    return f"{number(sample.low)} .. {number(sample.high)}"


def number(value: float) -> str:
    """Three digits are what such a measurement can tell."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
