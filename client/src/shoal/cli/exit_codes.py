"""What the command line's exit codes mean. The only place that numbers them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Of every ``shoal`` command."""

    DONE = 0
    NOT_THERE = 1
    USAGE = 2
    UNREACHABLE = 3
    FAILED = 4
    INTERRUPTED = 130


HELP = """\b
Exit codes:
  0    done
  1    the answer is no: no such key, a condition did not hold, or it is refused
  2    the command line is wrong
  3    no node of the cluster could be reached
  4    the cluster, or a program of it, failed; stderr says why
  130  stopped by Ctrl-C
"""
