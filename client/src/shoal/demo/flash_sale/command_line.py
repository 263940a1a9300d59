"""``shoal demo flash-sale``: the options, and nothing else.

Exit codes: 0, the run is over and nothing was wrong; 1, an answer was wrong or not given
(the summary says which); 4, the run could not be done; 130, interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoal.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from shoal.demo.flash_sale.report import Report

SQLITE_ORIGIN = "sqlite"


def _milliseconds(_context: click.Context, parameter: click.Parameter, text: str) -> int:
    from shoal._core.durations import duration_ms
    from shoal._errors import InvalidRequest

    try:
        return duration_ms(text, parameter.name or "time")
    except InvalidRequest as refusal:
        raise click.BadParameter(str(refusal)) from refusal


def _origin(_context: click.Context, _parameter: click.Parameter, url: str) -> str:
    if url != SQLITE_ORIGIN and not url.startswith(("postgresql://", "postgres://")):
        raise click.BadParameter("give sqlite, or postgresql://user@host:port/database.")
    return url


@click.command("flash-sale", short_help="One viral product, and a database behind the cache.")
@click.option("--url", help="The cluster, shoal://host:port,...  [default: one of its own]")
@click.option(
    "--origin",
    default=SQLITE_ORIGIN,
    callback=_origin,
    show_default=True,
    help="The database: sqlite (a file of its own), or postgresql://... (a schema of its own).",
)
@click.option("--seconds", type=click.FloatRange(min=1), default=60, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--products", type=click.IntRange(100), default=200_000, show_default=True)
@click.option("--ttl", default="10s", callback=_milliseconds, show_default=True)
@click.option(
    "--think",
    default="10ms",
    callback=_milliseconds,
    show_default=True,
    help="Mean pause of a thread between two reads.",
)
@click.option(
    "--kill",
    is_flag=True,
    help="Kill the viral product's node in the middle of the sale. Not with --url.",
)
@click.option(
    "--add-node",
    is_flag=True,
    help="Start one node more in the middle of the sale. Not with --url.",
)
@click.option(
    "--naive",
    is_flag=True,
    help="Plain cache-aside, without the toolkit's fill leases: shows the herd.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Run twice, with --naive and without, and draw both side by side.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the chart and the report go.  [default: here]",
)
@click.option("--seed", type=int, default=1, show_default=True)
def command(
    *,
    url: str | None,
    origin: str,
    seconds: float,
    workers: int,
    threads: int,
    products: int,
    ttl: int,
    think: int,
    kill: bool,
    add_node: bool,
    naive: bool,
    compare: bool,
    out: Path,
    seed: int,
) -> None:
    """A sale starts, and one product is in every cart.

    Several processes read products of a real database through the cache, while prices
    change. Watch what reaches the database when the viral key expires: one query in the
    whole cluster, and a herd with --naive. Every answer is checked against the database
    for being stale. Ends by itself, and leaves flash-sale-MODE.json and .png, where MODE
    is leased or naive; with --compare flash-sale-compared.png, too.
    """
    from shoal.demo.failures import DemoFailed
    from shoal.demo.flash_sale.live import display_for
    from shoal.demo.flash_sale.run import run
    from shoal.demo.flash_sale.settings import Mode, Settings, SettingsRefused

    if url is not None and (kill or add_node):
        raise click.UsageError(
            "--kill and --add-node change the demo's own cluster: leave --url out"
        )
    if compare and naive:
        raise click.UsageError("--compare runs without --naive, too: leave one of them out")
    modes = [Mode.NAIVE] if naive or compare else []
    modes += [] if naive else [Mode.LEASED]

    def settings_of(mode: Mode) -> Settings:
        return Settings(
            mode=mode,
            seconds=seconds,
            workers=workers,
            threads=threads,
            products=products,
            ttl_ms=ttl,
            think_ms=think,
            seed=seed,
            kill=kill,
            add_node=add_node,
        )

    reports = []
    try:
        planned = [settings_of(mode) for mode in modes]
        out.mkdir(parents=True, exist_ok=True)
        for settings in planned:
            display = display_for(settings)
            reports.append(run(settings, cache_url=url, origin_url=origin, display=display))
            _hand_over(reports[-1], out)
    except SettingsRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except DemoFailed as failure:
        click.echo(f"Error: {failure}", err=True)
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt:
        click.echo("Interrupted; everything is stopped and removed.", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    if compare:
        _draw(reports, out / "flash-sale-compared.png")
    complained = any(report.complaints for report in reports)
    sys.exit(ExitCode.NOT_THERE if complained else ExitCode.DONE)


def _hand_over(report: Report, out: Path) -> None:
    """Prints the summary and writes the files."""
    from rich.console import Console

    from shoal.demo.flash_sale.summary import summary_of

    Console(soft_wrap=True).print(summary_of(report))
    json_path, chart_path = out / f"{report.name}.json", out / f"{report.name}.png"
    report.write_json(json_path)
    click.echo(f"Report: {json_path}")
    _draw([report], chart_path)


def _draw(reports: Sequence[Report], chart_path: Path) -> None:
    """A missing chart does not fail the run."""
    from shoal.demo.failures import ChartUnavailable
    from shoal.demo.flash_sale.chart import draw

    try:
        draw(reports, chart_path)
    except ChartUnavailable as unavailable:
        click.echo(str(unavailable), err=True)
    else:
        click.echo(f"Chart:  {chart_path}")
