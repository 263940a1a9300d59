"""What commands print: text for people, or one JSON object for programs.

In JSON a key or value that is UTF-8 is a string under its name; any other stands in
base64 under ``<name>_base64``.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

JSON = "json"
TABLE = "table"

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice([TABLE, JSON]),
    default=TABLE,
    show_default=True,
    help="How to print the answer: for people, or one object for programs.",
)
"""The same words for every command, also where the answer to people is a line or a value."""


def print_json(answer: Mapping[str, Any]) -> None:
    click.echo(json.dumps(answer))


def print_bytes(value: bytes) -> None:
    """The value itself; a line's end is added for a terminal only."""
    ends_line = "\n" if sys.stdout.isatty() and not value.endswith(b"\n") else ""
    click.echo(value + ends_line.encode(), nl=False)


def bytes_fields(name: str, value: bytes) -> dict[str, str]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


def bytes_of_argument(argument: str) -> bytes:
    """The very bytes that the shell passed."""
    return os.fsencode(argument)


def milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
