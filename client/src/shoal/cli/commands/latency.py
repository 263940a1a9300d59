"""``shoal latency``: how long requests took, by node and method."""

from __future__ import annotations

import click

from shoal.cli.coordinator import coordinator_option
from shoal.cli.introspection import duration_text, introspections, print_rows
from shoal.cli.output import JSON, output_option, print_json


@click.command(short_help="Show how long requests took.")
@coordinator_option
@output_option
def latency(coordinator: str, output: str) -> None:
    """Show how long requests took in each node since it started, by method.

    Without decoding, encoding and the network; quantiles are at most 6.25 % too high.
    """
    found = [
        {"node": node, "method": method, **durations}
        for node, told in introspections(coordinator).items()
        for method, durations in told["durations"].items()
        if durations["count"]
    ]
    if output == JSON:
        print_json({"durations": found})
        return
    quantiles = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
    rows = (
        (
            row["node"],
            row["method"],
            row["count"],
            *(duration_text(row[quantile]) for quantile in quantiles),
        )
        for row in found
    )
    headings = ("node", "method", "requests", "p50", "p99", "p99.9", "max")
    print_rows(headings, rows, texts=2)
