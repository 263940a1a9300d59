"""How a command ends when it cannot do what it was asked: a sentence and an exit code.

    click.ClickException
    ├── CommandFailed            4: the cluster, or a program of it, failed
    │   └── ClusterUnreachable   3: no node could be reached
    └── CommandRefused           1: the answer is no

click shows the sentence on stderr and ends the process with the code.
"""

from __future__ import annotations

import click

from shoal.cli.exit_codes import ExitCode


class CommandFailed(click.ClickException):
    exit_code = ExitCode.FAILED.value


class ClusterUnreachable(CommandFailed):
    exit_code = ExitCode.UNREACHABLE.value


class CommandRefused(click.ClickException):
    """Not done, because it would harm or makes no sense. Its message says what does."""

    exit_code = ExitCode.NOT_THERE.value
