"""Stop a process as SIGSTOP does, and wait until it has stopped."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

STOPPED_STATES = frozenset("TtZX")


def freeze(pid: int, within_seconds: float = 10.0) -> None:
    """Send SIGSTOP and return once no thread of the process can run.

    The signal is only queued when `kill` returns: one thread of the process has to be
    scheduled to take it, and on a busy machine the others go on for milliseconds
    meanwhile, long enough to answer a request that was sent to a "frozen" process.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + within_seconds
    while not _stopped(pid):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.001)


def _stopped(pid: int) -> bool:
    """Whether every thread of the process is stopped or ended, as Linux shows it."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # The name of the thread stands in brackets and may hold any character.
            state = stat.read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in STOPPED_STATES:
            return False
    return True
