"""What clones build in one folder is never taken for another clone's."""

from __future__ import annotations

import os
from pathlib import Path

from tools.setup.extension import claim


def _clone(folder: Path) -> Path:
    source = folder / "node" / "src" / "lib.rs"
    source.parent.mkdir(parents=True)
    source.write_text("")
    os.utime(source, (1_000, 1_000))
    return source


def test_whoever_comes_after_another_clone_has_newer_files(tmp_path: Path) -> None:
    target = tmp_path / "cargo"
    first, second = _clone(tmp_path / "one"), _clone(tmp_path / "two")
    claim(target, tmp_path / "one")
    assert first.stat().st_mtime > 1_000
    os.utime(first, (2_000, 2_000))
    claim(target, tmp_path / "one")
    assert first.stat().st_mtime == 2_000, "it is this clone's own build: nothing is old"
    claim(target, tmp_path / "two")
    assert second.stat().st_mtime > 1_000
    claim(target, tmp_path / "one")
    assert first.stat().st_mtime > 2_000


def test_what_lies_in_build_folders_is_left_alone(tmp_path: Path) -> None:
    built = _clone(tmp_path / "one" / "target")
    claim(tmp_path / "cargo", tmp_path / "one")
    assert built.stat().st_mtime == 1_000
