"""Pinning and CPU accounting of processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

SERVER_CORE = 0
LOADER_CORE = 1
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """Every thread of a process, and those that it will start."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
