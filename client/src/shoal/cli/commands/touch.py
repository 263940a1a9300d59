"""``shoal touch``."""

from __future__ import annotations

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.consistency import ack_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.output import (
    JSON,
    bytes_fields,
    bytes_of_argument,
    output_option,
    print_json,
)
from shoal.cli.ttl import ttl_option


@click.command(short_help="Give a key a new time to live.")
@click.argument("key")
@ttl_option("From now, such as 10m.")
@click.option("--forever", is_flag=True, help="The key no longer expires.")
@ack_option("primary")
@url_option
@output_option
@click.pass_context
def touch(
    ctx: click.Context,
    key: str,
    ttl: str | int | None,
    forever: bool,  # noqa: FBT001
    ack: str | None,
    url: str,
    output: str,
) -> None:
    """Give KEY a new time to live. The exit code is 1 when the key is not there."""
    if (ttl is None) != forever:
        raise click.UsageError("take one of --ttl and --forever")
    with connected(url) as client:
        is_there = client.touch(bytes_of_argument(key), ttl, ack=ack)
    if output == JSON:
        print_json({**bytes_fields("key", bytes_of_argument(key)), "applied": is_there})
    elif is_there:
        click.echo("OK")
    else:
        click.echo("miss", err=True)
    ctx.exit(ExitCode.DONE if is_there else ExitCode.NOT_THERE)
