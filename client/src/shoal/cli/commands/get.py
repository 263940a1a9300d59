"""``shoal get``."""

from __future__ import annotations

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.output import (
    JSON,
    TEXT,
    bytes_fields,
    bytes_of_argument,
    milliseconds,
    output_option,
    print_bytes,
    print_json,
)


@click.command(short_help="Print the value of a key.")
@click.argument("key")
@url_option
@output_option(TEXT)
@click.pass_context
def get(ctx: click.Context, key: str, url: str, output: str) -> None:
    """Print the value of KEY, byte for byte.

    Where there is none nothing is printed, and the exit code is 1. With -o json
    version and remaining time to live are printed too.
    """
    from shoal import ABSENT, MISSING

    with connected(url) as client:
        entry = client.get_entry(bytes_of_argument(key))
    named = bytes_fields("key", bytes_of_argument(key))
    if entry is MISSING or entry is ABSENT:
        status = "miss" if entry is MISSING else "absent"
        if output == JSON:
            print_json({**named, "status": status})
        else:
            click.echo(status, err=True)
        ctx.exit(ExitCode.NOT_THERE)
    if output == JSON:
        print_json(
            {
                **named,
                "status": "hit",
                **bytes_fields("value", entry.value),
                "version": str(entry.version),
                "ttl_ms": None if entry.ttl is None else milliseconds(entry.ttl),
            }
        )
    else:
        print_bytes(entry.value)
