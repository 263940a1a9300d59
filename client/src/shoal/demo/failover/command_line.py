"""``shoal demo failover``: the options, and nothing else.

Exit codes: 0, no acknowledged IN_SYNC write was lost; 1, one was, or the cluster did not
do its part in time (the summary says which); 4, the run could not be done; 130,
interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoal.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from shoal.demo.failover.report import Report

NAME = "failover"


@click.command(NAME, short_help="Kill a primary, then hand another over, under load.")
@click.option(
    "--calm",
    type=click.FloatRange(min=0.5),
    default=4.0,
    show_default=True,
    help="Seconds of undisturbed load between the steps.",
)
@click.option("--lanes", type=click.IntRange(6, 512), default=24, show_default=True)
@click.option(
    "--pause",
    type=click.FloatRange(min=0),
    default=40.0,
    show_default=True,
    help="Milliseconds of a lane between two operations.",
)
@click.option("--lease-ttl", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the chart and the report go.  [default: here]",
)
def command(*, calm: float, lanes: int, pause: float, lease_ttl: int, out: Path) -> None:
    """A primary is killed, and another is told to go, while clients write and read.

    Starts a cluster of three nodes of its own. Half of the writers wait for every copy in
    sync, half for the primary alone. After a while a node is killed (kill -9); it is
    started again; once everything has two copies, another node gets SIGTERM and hands
    its partitions over. At the end every acknowledged write is read back. Leaves
    failover.json and failover.svg.
    """
    from shoal.cli.progress import telling
    from shoal.demo.failover.run import SENTENCES, run
    from shoal.demo.failover.settings import Settings, SettingsRefused
    from shoal.demo.failures import DemoFailed

    try:
        settings = Settings(
            calm_seconds=calm, lanes=lanes, pause_ms=pause, lease_ttl_seconds=lease_ttl
        )
        out.mkdir(parents=True, exist_ok=True)
        with telling() as tell:
            told = 0

            def say(sentence: str) -> None:
                nonlocal told
                click.echo(sentence)
                tell(sentence.strip(" -."), told / SENTENCES)
                told += 1

            report = run(settings, say)
    except SettingsRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except DemoFailed as failure:
        click.echo(f"Error: {failure}", err=True)
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt:
        click.echo("Interrupted; everything is stopped and removed.", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    _hand_over(report, out)
    sys.exit(ExitCode.NOT_THERE if report.complaints else ExitCode.DONE)


def _hand_over(report: Report, out: Path) -> None:
    """Prints the summary and writes the files; a missing chart does not fail the run."""
    from rich.console import Console

    from shoal.demo.failover.chart import draw
    from shoal.demo.failover.summary import summary_of
    from shoal.demo.failures import ChartUnavailable

    Console(soft_wrap=True).print(summary_of(report))
    json_path, chart_path = out / f"{NAME}.json", out / f"{NAME}.svg"
    report.write_json(json_path)
    click.echo(f"Report: {json_path}")
    try:
        draw(report, chart_path)
    except ChartUnavailable as unavailable:
        click.echo(str(unavailable), err=True)
    else:
        click.echo(f"Chart:  {chart_path}")
