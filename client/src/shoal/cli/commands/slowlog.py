"""``shoal slowlog``: the last requests that took long."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from shoal.cli.coordinator import coordinator_option
from shoal.cli.introspection import duration_text, introspections, key_text, print_rows
from shoal.cli.output import JSON, output_option, print_json

_MILLISECONDS = 1000


@click.command(short_help="Show the last requests that took long.")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@coordinator_option
@output_option
def slowlog(count: int, coordinator: str, output: str) -> None:
    """Show the last requests that took as long as a node's --slow-request, newest first."""
    nodes = introspections(coordinator)
    found = [
        {"node": node, **request}
        for node, told in nodes.items()
        for request in told["slow"]["requests"]
    ]
    found = sorted(found, key=lambda request: -request["unix_ms"])[:count]
    total = sum(told["slow"]["total"] for told in nodes.values())
    if output == JSON:
        print_json({"total": total, "requests": found})
        return
    rows = (
        (
            datetime.fromtimestamp(request["unix_ms"] / _MILLISECONDS, UTC).isoformat(
                " ", "seconds"
            ),
            request["node"],
            request["method"],
            key_text(request) if request["keys"] == 1 else f"({request['keys']} keys)",
            "" if request["partition"] is None else request["partition"],
            duration_text(request["duration_ns"]),
        )
        for request in found
    )
    print_rows(("ended", "node", "method", "key", "partition", "took"), rows, texts=4)
    click.echo(f"{total} requests were slow since the nodes started")
