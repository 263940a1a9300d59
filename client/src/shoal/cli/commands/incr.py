"""``shoal incr``."""

from __future__ import annotations

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.consistency import ack_option
from shoal.cli.output import (
    JSON,
    bytes_fields,
    bytes_of_argument,
    output_option,
    print_json,
)
from shoal.cli.ttl import ttl_option


@click.command(short_help="Add to an integer and print it.")
@click.argument("key")
@click.option("--by", "delta", type=int, default=1, show_default=True, help="May be negative.")
@click.option("--initial", type=int, default=0, show_default=True, help="What no value counts as.")
@ttl_option("Of a key that this creates, such as 10m.")
@ack_option("in-sync")
@url_option
@output_option
def incr(
    key: str,
    delta: int,
    initial: int,
    ttl: str | int | None,
    ack: str | None,
    url: str,
    output: str,
) -> None:
    """Add to the integer under KEY, and print the sum."""
    with connected(url) as client:
        total = client.incr(bytes_of_argument(key), delta, initial=initial, ttl=ttl, ack=ack)
    if output == JSON:
        print_json({**bytes_fields("key", bytes_of_argument(key)), "value": total})
    else:
        click.echo(total)
