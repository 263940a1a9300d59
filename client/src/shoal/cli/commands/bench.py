"""``shoal bench``: how fast a cluster answers this machine, through the Python client."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.introspection import print_rows
from shoal.cli.output import JSON, TABLE, output_option, print_json
from shoal.cli.progress import telling
from shoal.cli.sizes import size_bytes

if TYPE_CHECKING:
    from shoal.cli.load import Did, Shape
    from shoal.demo.latency import LatencyHistogram

_PREFIX = "shoal-bench:"
_QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
_FILLED_AT_ONCE = 500


@click.command(short_help="Load a cluster, and tell how fast it was.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, help="How long."
)
@click.option(
    "--callers",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="Threads, each with one call after the other.",
)
@click.option(
    "--keys",
    type=click.IntRange(1, 10_000_000),
    default=10_000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--value-size", default="1KiB", show_default=True, metavar="SIZE", help="Of each value."
)
@click.option(
    "--reads",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="The part of the calls that read.",
)
@click.option("--seed", type=int, help="What keys are drawn from; it is told.")
@url_option
@output_option
@click.pass_context
def bench(
    ctx: click.Context,
    seconds: float,
    callers: int,
    keys: int,
    value_size: str,
    reads: float,
    seed: int | None,
    url: str,
    output: str,
) -> None:
    """Load a cluster through one Python client, and tell how fast it was.

    The keys begin with shoal-bench: and end by themselves ten minutes after their last
    write. One process of Python is at its limit long before a node is: `make bench` measures
    nodes, and several of these at once load them.

    The exit code is 1 when calls failed.
    """
    from shoal import ShoalError
    from shoal.cli.load import Shape, run

    shape = Shape(
        callers=callers,
        seconds=seconds,
        keys=keys,
        value_bytes=size_bytes(value_size),
        reads_part=reads,
        ttl="10m",
        prefix=_PREFIX,
        seed=random.SystemRandom().randrange(1 << 32) if seed is None else seed,
    )
    with connected(url) as client, telling(may_draw=output == TABLE) as tell:
        value = bytes(shape.value_bytes)
        for first in range(0, keys, _FILLED_AT_ONCE):
            numbers = range(first, min(first + _FILLED_AT_ONCE, keys))
            client.set_many({f"{_PREFIX}{number}": value for number in numbers}, ttl=shape.ttl)
            tell("storing keys", (first + len(numbers)) / keys)
        done = run(
            client, shape, ShoalError, lambda elapsed: tell("calling", elapsed / shape.seconds)
        )
    if output == JSON:
        print_json(_as_json(shape, done))
    else:
        _print(shape, done)
    ctx.exit(ExitCode.NOT_THERE if done.errors else ExitCode.DONE)


def _kinds(done: Did) -> tuple[tuple[str, LatencyHistogram], ...]:
    return (("get", done.reads), ("set", done.writes))


def _as_json(shape: Shape, done: Did) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seed": shape.seed,
        "seconds": shape.seconds,
        "callers": shape.callers,
        "hits": done.hits,
        "errors": dict(done.errors),
    }
    for name, latency in _kinds(done):
        told[name] = {
            "calls": latency.total,
            "calls_per_second": latency.total / shape.seconds,
            **{f"{label}_ms": latency.quantile_ms(part) for label, part in _QUANTILES},
        }
    return told


def _print(shape: Shape, done: Did) -> None:
    from rich.console import Console

    # Of rich, since click colours also where $NO_COLOR asks for none.
    console = Console(highlight=False, soft_wrap=True)
    rows = (
        (
            name,
            f"{latency.total:,}",
            f"{latency.total / shape.seconds:,.0f}",
            *(f"{latency.quantile_ms(part):.2f} ms" for _, part in _QUANTILES),
        )
        for name, latency in _kinds(done)
        if latency.total
    )
    print_rows(("call", "calls", "a second", *(label for label, _ in _QUANTILES)), rows, texts=1)
    hit_part = done.hits / done.reads.total if done.reads.total else 0.0
    click.echo(f"{hit_part:.1%} hits; {shape.callers} callers, seed {shape.seed}")
    for reason, count in done.errors.most_common():
        console.print(f"{count:,} calls failed: {reason}", style="red", markup=False)
