"""``shoal set``."""

from __future__ import annotations

import sys

import click

from shoal.cli.connection import connected, url_option
from shoal.cli.consistency import ack_option
from shoal.cli.exit_codes import ExitCode
from shoal.cli.failure import CommandFailed
from shoal.cli.output import (
    JSON,
    bytes_fields,
    bytes_of_argument,
    output_option,
    print_json,
)
from shoal.cli.ttl import ttl_option

STDIN = "-"
VALUE_BYTES_MAX = 64 * 1024 * 1024
"""Of what is read from stdin. The cluster's own limit is lower, and its own to say."""


@click.command("set", short_help="Store a value.")
@click.argument("key")
@click.argument("value")
@ttl_option("Time to live, such as 10m or 90 (seconds).")
@click.option("--if-absent", is_flag=True, help="Only when the key is not there.")
@click.option("--if-present", is_flag=True, help="Only when the key is there.")
@ack_option("primary; in-sync with a condition")
@url_option
@output_option
@click.pass_context
def set_(
    ctx: click.Context,
    key: str,
    value: str,
    ttl: str | int | None,
    if_absent: bool,  # noqa: FBT001
    if_present: bool,  # noqa: FBT001
    ack: str | None,
    url: str,
    output: str,
) -> None:
    """Store VALUE under KEY. A VALUE of - is read from stdin.

    The exit code is 1 when a condition did not hold.
    """
    if if_absent and if_present:
        raise click.UsageError("take one of --if-absent and --if-present")
    content = _read_stdin() if value == STDIN else bytes_of_argument(value)
    with connected(url) as client:
        result = client.set(
            bytes_of_argument(key),
            content,
            ttl=ttl,
            if_absent=if_absent,
            if_present=if_present,
            ack=ack,
        )
    if output == JSON:
        print_json(
            {
                **bytes_fields("key", bytes_of_argument(key)),
                "applied": result.applied,
                "version": str(result.version),
            }
        )
    elif result.applied:
        click.echo("OK")
    else:
        click.echo("not stored: the condition did not hold", err=True)
    ctx.exit(ExitCode.DONE if result.applied else ExitCode.NOT_THERE)


def _read_stdin() -> bytes:
    content = sys.stdin.buffer.read(VALUE_BYTES_MAX + 1)
    if len(content) > VALUE_BYTES_MAX:
        raise CommandFailed(f"stdin holds more than {VALUE_BYTES_MAX} bytes: no value is that long")
    return content
