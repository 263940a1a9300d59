"""The directory of one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoal.cli.up.directory import RunDirectory, last_lines, log_of
from shoal.cli.up.failures import DirectoryInUse


def test_a_temporary_one_is_removed_and_a_given_one_is_kept(tmp_path: Path) -> None:
    temporary = RunDirectory.open(None)
    kept = RunDirectory.open(tmp_path / "kept")
    for directory in (temporary, kept):
        log_of(directory.path, "etcd").write_text("x\n")
        directory.remove_if_temporary()
        os.close(directory.lock_fd)
    assert not temporary.path.exists()
    assert log_of(kept.path, "etcd").exists()


def test_one_cluster_at_a_time(tmp_path: Path) -> None:
    first = RunDirectory.open(tmp_path)
    with pytest.raises(DirectoryInUse, match="another cluster runs in"):
        RunDirectory.open(tmp_path)
    os.close(first.lock_fd)
    os.close(RunDirectory.open(tmp_path).lock_fd)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(5_000)))
    assert last_lines(log, 2) == ["line 4998", "line 4999"]
    assert last_lines(tmp_path / "absent.log", 2) == []
