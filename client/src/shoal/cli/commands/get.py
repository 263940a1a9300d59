"""``shoal get``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.consistency import at_least_option, read_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.output import (
    JSON,
    bytes_fields,
    bytes_of_argument,
    milliseconds,
    output_option,
    print_bytes,
    print_json,
)

if TYPE_CHECKING:
    from shoal import Version


@click.command(short_help="Print the value of a key.")
@click.argument("key")
@read_option
@at_least_option
@url_option
@output_option
@click.pass_context
def get(
    ctx: click.Context,
    key: str,
    read: str | None,
    at_least: Version | None,
    url: str,
    output: str,
) -> None:
    """Print the value of KEY, byte for byte.

    Where there is none nothing is printed, and the exit code is 1. With -o json
    version and remaining time to live are printed too.
    """
    from shoal import ABSENT, MISSING

    with connected(url) as client:
        entry = client.get_entry(bytes_of_argument(key), read=read, at_least=at_least)
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
                **({"maybe_stale": True} if entry.maybe_stale else {}),
            }
        )
    else:
        print_bytes(entry.value)
