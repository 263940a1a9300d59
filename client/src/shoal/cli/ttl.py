"""``--ttl``: a time to live as people write it, read before a node is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def ttl_option(help_text: str) -> Callable[[Command], Command]:
    """``90`` (seconds), ``250ms``, ``10m``, ``1h30m``; the command gets a ``shoal.Duration``."""
    return click.option("--ttl", metavar="TIME", callback=_checked, help=help_text)


def _checked(
    _ctx: click.Context, _parameter: click.Parameter, value: str | None
) -> str | int | None:
    from shoal._core.durations import duration_ms
    from shoal._errors import InvalidRequest

    if value is None:
        return None
    duration: str | int = int(value) if value.isdecimal() else value
    try:
        duration_ms(duration)
    except InvalidRequest as error:
        raise click.BadParameter(str(error)) from error
    return duration
