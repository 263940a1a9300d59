"""Hold a process to a part of a core, by the kernel's control groups (version 1 or 2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
"""The kernel's own, and that of containers. It hands out 5 ms at a time to each core: of a
quota that is not a multiple of that, one thread would take all before another has any."""


class NoQuota(RuntimeError):
    """This machine does not let us hold a process; the text says why."""


@contextmanager
def held(pid: int, share: float) -> Iterator[None]:
    """All threads of a process, to ``share`` of one core. Raises ``NoQuota``."""
    group, home, limits = _plan(share, pid)
    try:
        group.mkdir()
    except OSError as error:
        raise NoQuota(f"no group can be made in {group.parent}: {error.strerror}") from error
    try:
        try:
            for name, text in limits.items():
                (group / name).write_text(text)
            (group / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise NoQuota(f"{group.parent} takes no quota: {error.strerror}") from error
        yield
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (home / "cgroup.procs").write_text(left)
        group.rmdir()


def _plan(share: float, pid: int) -> tuple[Path, Path, dict[str, str]]:
    """The group to make, the one to go back to, and what to write."""
    quota_us = round(share * PERIOD_US)
    if (_ROOT / "cpu").is_dir():
        home = _ROOT / "cpu"
        limits = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    elif (_ROOT / "cgroup.controllers").is_file():
        home = _ROOT
        limits = {"cpu.max": f"{quota_us} {PERIOD_US}"}
    else:
        raise NoQuota(f"there are no control groups at {_ROOT}")
    return home / f"shoal-bench-{pid}", home, limits
