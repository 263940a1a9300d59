"""Style that no formatter or linter checks, as a test."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
LINES_MAX = 500
BARRED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
SOURCE_ROOTS = ("client/src/", "coordinator/src/", "node/src/", "tools/", "bench/")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.splitlines() if "_pb2" not in name]
    return [REPOSITORY / name for name in names if (REPOSITORY / name).is_file()]


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_there_is_something_to_look_at() -> None:
    assert len(tracked("*.py")) > 50
    assert len(tracked("*.rs")) > 20


def test_no_file_is_long_enough_to_hold_two_concepts() -> None:
    long = {
        relative(path): lines
        for path in tracked("*.py", "*.rs")
        if (lines := len(path.read_text().splitlines())) > LINES_MAX
    }
    assert not long, f"split these, or ask why they are one concept: {long}"


def test_no_room_is_named_for_what_is_left_over() -> None:
    misnamed = [relative(path) for path in tracked("*.py", "*.rs") if path.stem in BARRED_NAMES]
    assert not misnamed


def test_every_python_module_says_what_it_is_for() -> None:
    silent = [
        relative(path)
        for path in tracked("*.py")
        if relative(path).startswith(SOURCE_ROOTS)
        and path.read_text().strip()
        and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert not silent


def test_every_rust_module_says_what_it_is_for() -> None:
    silent = [
        relative(path)
        for path in tracked("node/*.rs", "protos/*.rs")
        if not path.read_text().lstrip().startswith("//!")
    ]
    assert not silent


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"\b(TODO|FIXME|XXX)\b", id="unfinished"),
        pytest.param(r"raise NotImplementedError|todo!\(|unimplemented!\(", id="stub"),
    ],
)
def test_nothing_is_left_unfinished(pattern: str) -> None:
    left = [
        relative(path)
        for path in tracked("*.py", "*.rs")
        if path != Path(__file__) and re.search(pattern, path.read_text())
    ]
    assert not left


def test_no_file_names_a_registry_address() -> None:
    address = re.compile(r"https?://[^ \"]*(/simple/?[\" ]|/packages/[^ ]*\.(whl|tar\.gz)|\.whl)")
    named = [
        relative(path)
        for path in tracked()
        if path.suffix != ".png" and address.search(path.read_text(errors="replace"))
    ]
    assert not named


def test_links_in_documents_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
    broken = [
        f"{relative(path)}: {target}"
        for path in tracked("*.md")
        for target, _ in link.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert not broken
