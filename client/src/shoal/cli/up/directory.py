"""The directory of one run: etcd's data, the logs, and a lock on both.

A temporary one is removed when the cluster has stopped. A given one is kept, and
the next run with it resumes the same cluster.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shoal.cli.up.failures import DirectoryInUse


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """``lock_fd`` is held until the process ends."""

    path: Path
    is_temporary: bool
    lock_fd: int

    @property
    def logs(self) -> Path:
        return logs_of(self.path)

    @classmethod
    def open(cls, data_dir: Path | None) -> RunDirectory:
        """Create and lock it. Raises DirectoryInUse, or OSError when it cannot be made."""
        if data_dir is None:
            path = Path(tempfile.mkdtemp(prefix="shoal-up-"))
        else:
            path = data_dir.absolute()
            path.mkdir(parents=True, exist_ok=True)
        logs_of(path).mkdir(exist_ok=True)
        lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_fd)
            raise DirectoryInUse(
                f"another cluster runs in {path}: stop it, or give another --data-dir"
            ) from error
        return cls(path, data_dir is None, lock_fd)

    def remove_if_temporary(self) -> None:
        if self.is_temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def logs_of(path: Path) -> Path:
    return path / "logs"


def log_of(path: Path, process: str) -> Path:
    """Where a process's output goes."""
    return logs_of(path) / f"{process}.log"


def last_lines(log: Path, count: int, tail_bytes: int = 16_384) -> list[str]:
    """The end of a log; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - tail_bytes))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
