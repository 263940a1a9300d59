"""Loads of several servers, round by round, become figures with a verdict. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.finding import Finding, Goal, Row
from bench.measured import Measured
from bench.noise import bottleneck, judge
from bench.sample import Sample

OURS = "Shoal"
REFERENCE = "Redis"

Round = Mapping[str, Measured]
"""What each server did, one after the other; by its name."""


def compare(
    name: str,
    title: str,
    rounds: Sequence[Round],
    loads: Mapping[str, str],
    goal: Goal | None,
    core_count: int,
    pair: tuple[str, str] = (OURS, REFERENCE),
) -> Finding:
    """CPU per operation of each server, and that of one of a pair divided by the other's.

    ``loads``: what each server was asked to do, for the table.
    """
    ours, reference = pair
    if not rounds:
        raise ValueError("there is nothing to compare without a round")
    names = list(rounds[0])
    rows = tuple(_row(each, loads[each], [done[each] for done in rounds]) for each in names)
    figure, reasons = None, []
    if ours in names and reference in names:
        figure = ratio(rounds, ours, reference)
        during = [
            measured.interference
            for done in rounds
            for measured in (done[ours], done[reference])
            if measured.interference is not None
        ]
        reasons = list(judge(figure, during, core_count).reasons)
    return Finding(
        name=name,
        title=title,
        unit="us CPU per key",
        rows=rows,
        figure_name=f"{ours} / {reference}",
        figure=figure,
        goal=goal,
        reasons=tuple(reasons),
        notes=_notes(rows),
    )


def ratio(rounds: Sequence[Round], ours: str, theirs: str) -> Sample:
    """Of the CPU per operation, of the two that ran in the same round."""
    return Sample.of(
        [done[ours].cpu_us_per_operation / done[theirs].cpu_us_per_operation for done in rounds]
    )


def _row(server: str, load: str, runs: Sequence[Measured]) -> Row:
    def median(of: Callable[[Measured], float]) -> float:
        return Sample.of([of(run) for run in runs]).median

    return Row(
        server=server,
        did=load,
        value=Sample.of([run.cpu_us_per_operation for run in runs]),
        details={
            "per_second": median(lambda run: run.per_second),
            "p50_us": median(lambda run: run.p50_us),
            "p99_us": median(lambda run: run.p99_us),
            "p999_us": median(lambda run: run.p999_us),
            "server_share": median(lambda run: run.server_share),
            "loader_share": median(lambda run: run.loader_share),
        },
    )


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    said = (
        (row.server, bottleneck(row.details["loader_share"], row.details["server_share"]))
        for row in rows
    )
    return tuple(f"{server}: {sentence}" for server, sentence in said if sentence)
