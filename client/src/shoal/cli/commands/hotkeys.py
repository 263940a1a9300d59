"""``shoal hotkeys``: the keys that are used most."""

from __future__ import annotations

import click

from shoal.cli.coordinator import coordinator_option
from shoal.cli.introspection import introspections, key_text, print_rows
from shoal.cli.output import JSON, output_option, print_json


@click.command(short_help="Show the keys that are used most.")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@coordinator_option
@output_option
def hotkeys(count: int, coordinator: str, output: str) -> None:
    """Show the keys that are used most, over all nodes.

    Rates are of the last second or so. Of a busy node they are estimates from a sample.
    """
    found = [
        {"node": node, **key}
        for node, told in introspections(coordinator).items()
        for key in told["hottest"]["keys"]
    ]
    found = sorted(found, key=lambda key: -key["per_second"])[:count]
    if output == JSON:
        print_json({"keys": found})
        return
    rows = (
        (
            key_text(key),
            key["node"],
            key["partition"],
            f"{key['per_second']:.0f}",
            f"{key['error_per_second']:.0f}",
            f"{key['reads_part']:.0%}",
        )
        for key in found
    )
    headings = ("key", "node", "partition", "a second", "too high by up to", "reads")
    print_rows(headings, rows, texts=2)
