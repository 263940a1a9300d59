"""``shoal bigkeys``: the entries that take most."""

from __future__ import annotations

import click

from shoal.cli.coordinator import coordinator_option
from shoal.cli.introspection import introspections, key_text, print_rows
from shoal.cli.output import JSON, output_option, print_json


@click.command(short_help="Show the entries that take most memory.")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@coordinator_option
@output_option
def bigkeys(count: int, coordinator: str, output: str) -> None:
    """Show the entries with the most bytes of key and value, over all nodes."""
    nodes = introspections(coordinator)
    found = [
        {"node": node, **key} for node, told in nodes.items() for key in told["biggest"]["keys"]
    ]
    found.sort(key=lambda key: -key["bytes"])
    left_out = found[count]["bytes"] if len(found) > count else 0
    above = max([left_out, *(told["biggest"]["complete_above_bytes"] for told in nodes.values())])
    found = found[:count]
    if output == JSON:
        print_json({"complete_above_bytes": above, "keys": found})
        return
    rows = ((key_text(key), key["node"], key["partition"], key["bytes"]) for key in found)
    print_rows(("key", "node", "partition", "bytes"), rows, texts=2)
    click.echo(f"every entry of more than {above} bytes is listed")
