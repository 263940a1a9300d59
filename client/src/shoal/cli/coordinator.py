"""A coordinator's admin service, for the commands that look after a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal.cli.failure import ClusterUnreachable, CommandFailed, CommandRefused
from shoal.cli.trust import open_channel, tls_options

if TYPE_CHECKING:
    from shoal.v1 import admin_pb2_grpc

TIMEOUT_SECONDS = 10.0

Command = TypeVar("Command", bound=Callable[..., Any])


def coordinator_option(command: Command) -> Command:
    """``--coordinator``, any of which answers, ``--tls-*`` and ``--token-file``."""
    return click.option(
        "-c",
        "--coordinator",
        envvar="SHOAL_COORDINATOR",
        required=True,
        metavar="HOST:PORT",
        show_envvar=True,
        help="Any coordinator of the cluster.",
    )(tls_options(command))


@contextmanager
def administered(coordinator: str) -> Iterator[admin_pb2_grpc.AdminStub]:
    """Its stub for the time of one command. Errors of its calls become exceptions of click."""
    import grpc

    from shoal.v1 import admin_pb2_grpc

    with open_channel(coordinator) as channel:
        try:
            yield admin_pb2_grpc.AdminStub(channel)
        except grpc.RpcError as error:
            raise _failed(error, coordinator) from error


def _failed(error: Any, coordinator: str) -> click.ClickException:
    import grpc

    nobody_answered = error.code() in {
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
    } and not dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if nobody_answered:
        return ClusterUnreachable(
            f"no coordinator answered at {coordinator}: {error.details()}\n"
            "Name a running one with --coordinator or $SHOAL_COORDINATOR."
        )
    if error.code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}:
        return CommandRefused(str(error.details()))
    return CommandFailed(str(error.details()))
