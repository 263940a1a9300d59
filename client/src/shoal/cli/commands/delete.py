"""``shoal del``."""

from __future__ import annotations

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.consistency import ack_option
from shoal.cli.output import JSON, bytes_of_argument, output_option, print_json


@click.command("del", short_help="Remove keys.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@ack_option("in-sync")
@url_option
@output_option
def delete(keys: tuple[str, ...], ack: str | None, url: str, output: str) -> None:
    """Remove each KEY, and print how many of them were there.

    A key that is not there is no failure: the exit code is 0.
    """
    with connected(url) as client:
        deleted = client.delete(*map(bytes_of_argument, keys), ack=ack)
    if output == JSON:
        print_json({"deleted": deleted})
    else:
        click.echo(deleted)
