"""From ``--url`` to a client, and from a client's errors to sentences and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal.cli.failure import ClusterUnreachable, CommandFailed
from shoal.cli.trust import tls_given, tls_options, token_file_given

if TYPE_CHECKING:
    from shoal import Client, ShoalError

DEFAULT_URL = "shoal://127.0.0.1:7400"

Command = TypeVar("Command", bound=Callable[..., Any])


def url_option(command: Command) -> Command:
    """``--url``, ``--tls-*``, ``--token-file``: for every command that talks to a cluster."""
    return click.option(
        "-u",
        "--url",
        envvar="SHOAL_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="Any nodes of the cluster: shoal://HOST:PORT,HOST:PORT; shoals:// speaks TLS.",
    )(tls_options(command))


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """A client for the time of one command. Its errors become CommandFailed."""
    from shoal import Client, ConfigurationError, ShoalError

    try:
        given = {"tls": tls_given(), "token_file": token_file_given()}
        told = {name: value for name, value in given.items() if value is not None}
        with Client.from_url(url, **told) as client:
            yield client
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    except ShoalError as error:
        raise command_failed(error, url) from error


def command_failed(error: ShoalError, url: str) -> CommandFailed:
    """What to tell, and with which code to end."""
    from shoal import DeadlineExceeded, Outcome, Unavailable

    certainty = (
        "\nThe request may have been applied." if error.outcome is Outcome.MAYBE_APPLIED else ""
    )
    nobody_answered = isinstance(error, Unavailable) and error.reason == "UNREACHABLE"
    if nobody_answered or isinstance(error, DeadlineExceeded):
        return ClusterUnreachable(
            f"no node of the cluster answered at {url}: {error}{certainty}\n"
            "Start a cluster with `shoal up`, or name a running one with --url or $SHOAL_URL."
        )
    return CommandFailed(f"{error} ({error.reason}){certainty}")
