"""How a command ends when it cannot do what it was asked: a sentence and an exit code.

    click.ClickException
    └── CommandFailed            4: the cluster, or a program of it, failed
        └── ClusterUnreachable   3: no node could be reached

click shows the sentence on stderr and ends the process with the code.
"""

from __future__ import annotations

import click

from shoal.cli.exit_codes import ExitCode


class CommandFailed(click.ClickException):
    exit_code = ExitCode.FAILED.value


class ClusterUnreachable(CommandFailed):
    exit_code = ExitCode.UNREACHABLE.value
