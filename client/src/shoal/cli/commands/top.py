"""``shoal top``: what every node does just now, drawn anew until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import click

from shoal.cli.coordinator import TIMEOUT_SECONDS, administered, coordinator_option
from shoal.cli.figures import Reading, figures
from shoal.cli.introspection import rows_table
from shoal.cli.output import JSON, output_option, print_json
from shoal.cli.top import Line, Seen, lines
from shoal.cli.trust import http_context

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

    from rich.table import Table

    from shoal.v1 import admin_pb2, admin_pb2_grpc

_ANSWER_SECONDS = 1.0
_NODES_AT_ONCE = 32
_UNKNOWN = "-"
_HEADINGS = ("node", "state", "primary", "replica", "ops/s", "hits", "entries", "memory", "of")


@click.command(short_help="Watch what every node does.")
@click.option(
    "--every",
    type=click.FloatRange(0.2, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Look so often.",
)
@click.option("--count", type=click.IntRange(1), help="End after so many looks; else at Ctrl-C.")
@coordinator_option
@output_option
def top(every: float, count: int | None, coordinator: str, output: str) -> None:
    """Watch operations, hits, memory and partitions of every node, the busiest first.

    Nodes are asked for their metrics. With `-o json` each look is one line.
    """
    from shoal.cli.up.probes import opener

    with administered(coordinator) as admin, ThreadPoolExecutor(_NODES_AT_ONCE) as threads:
        by = opener(http_context())
        looks = (lines(*two) for two in pairwise(_looks(admin, threads, every, by)))
        shown = islice(looks, count)
        if output == JSON:
            for look in shown:
                print_json({"nodes": [line.as_json() for line in look]})
            return
        _draw(shown)


def _looks(
    admin: admin_pb2_grpc.AdminStub,
    threads: ThreadPoolExecutor,
    every_seconds: float,
    by: OpenerDirector,
) -> Iterator[dict[str, Seen]]:
    from shoal.v1 import admin_pb2

    while True:
        request = admin_pb2.GetClusterStatusRequest()
        status = admin.GetClusterStatus(request, timeout=TIMEOUT_SECONDS)
        yield {seen.id: seen for seen in threads.map(partial(_seen, by), status.nodes)}
        time.sleep(every_seconds)


def _seen(by: OpenerDirector, node: admin_pb2.NodeStatus) -> Seen:
    from shoal.cli.up.probes import http_text

    url = node.registration.metrics_url
    text = http_text(url, _ANSWER_SECONDS, by) if url else None
    now_seconds = time.monotonic()
    found = None if text is None else figures(text)
    return Seen(
        id=node.member.id or node.registration.id,
        primaries=node.primary_partitions,
        replicas=node.replica_partitions,
        is_up=node.HasField("registration"),
        reading=None if found is None else Reading(now_seconds, found),
    )


def _draw(looks: Iterator[Sequence[Line]]) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if not console.is_terminal:
        for look in looks:
            console.print(_table(look))
        return
    with Live(console=console, auto_refresh=False, screen=True) as live:
        for look in looks:
            live.update(_table(look), refresh=True)


def _table(look: Sequence[Line]) -> Table:
    return rows_table(_HEADINGS, map(_cells, look), texts=2)


def _cells(line: Line) -> Sequence[str]:
    from shoal.cli.up.table import bytes_text

    told, seen = line.figures, line.rates
    speed, hits = seen.operations_per_second, seen.hit_ratio
    return (
        line.id,
        line.state,
        str(line.primaries),
        str(line.replicas),
        _UNKNOWN if speed is None else f"{speed:,.0f}",
        _UNKNOWN if hits is None else f"{hits:.1%}",
        _UNKNOWN if told is None else f"{told.entries:,.0f}",
        _UNKNOWN if told is None else bytes_text(told.memory_bytes),
        _UNKNOWN if told is None else bytes_text(told.maxmemory_bytes),
    )
