"""``--ack``, ``--read``, ``--at-least``: when a write is answered, and who answers a read.

Their words are those of ``shoal.Ack`` and ``shoal.ReadMode``, with a hyphen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from shoal import Version

Command = TypeVar("Command", bound=Callable[..., Any])


def ack_option(default: str) -> Callable[[Command], Command]:
    """``--ack primary|in-sync``; the command gets what ``shoal.Ack`` takes, or None."""
    return click.option(
        "--ack",
        type=click.Choice(["primary", "in-sync"]),
        callback=_ack,
        help=f"Answer when the primary has it, or every copy in sync.  [default: {default}]",
    )


def read_option(command: Command) -> Command:
    """``--read primary|any``."""
    return click.option(
        "--read",
        type=click.Choice(["primary", "any"]),
        help="Which copy may answer; any may be stale.  [default: primary; any with --at-least]",
    )(command)


def at_least_option(command: Command) -> Command:
    """``--at-least EPOCH.SEQ``; the command gets a ``shoal.Version`` or None."""
    return click.option(
        "--at-least",
        metavar="EPOCH.SEQ",
        callback=_version,
        help="No copy answers that has not applied this version, such as 3.120.",
    )(command)


def _ack(_ctx: click.Context, _parameter: click.Parameter, word: str | None) -> str | None:
    return None if word is None else word.replace("-", "_")


def _version(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> Version | None:
    from shoal import Version

    if text is None:
        return None
    epoch, _, seq = text.partition(".")
    if not (_is_counter(epoch) and _is_counter(seq)):
        raise click.BadParameter(
            f"{text!r} is no version: write EPOCH.SEQ, as `shoal get -o json` prints it"
        )
    return Version(int(epoch), int(seq))


def _is_counter(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and int(digits) < 2**64
