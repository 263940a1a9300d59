"""docs/guarantees.md: every promise names a test, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CASE = re.compile(r"`([\w/.-]+\.(?:py|rs))::(\w+)`")
UNPROVED = "## What is not promised"
"""Its sentences and those on `unclean` and on words promise nothing."""


def page(repository: Path) -> str:
    return (repository / "docs" / "guarantees.md").read_text()


def test_every_test_that_is_named_exists(repository: Path) -> None:
    named = CASE.findall(page(repository))
    assert len(named) > 25
    missing = [f"{file}::{case}" for file, case in named if not is_there(repository / file, case)]
    assert not missing


def is_there(file: Path, case: str) -> bool:
    if not file.is_file():
        return False
    define = "def" if file.suffix == ".py" else "fn"
    return re.search(rf"\b{define} {case}\(", file.read_text()) is not None


def test_every_promise_names_a_test(repository: Path) -> None:
    promised, _, _ = page(repository).partition(UNPROVED)
    _, _, promised = promised.partition("## Writes")
    rows = [line for line in promised.splitlines() if line.startswith(("- ", "| "))]
    held = [line for line in rows if not is_head(line)]
    assert len(held) > 20
    assert [line for line in held if not CASE.search(line)] == []


def is_head(line: str) -> bool:
    """Heads of tables, rules below them, and the table of levels."""
    return line.startswith(("| ---", "| operation", "| event", "| `"))


@pytest.mark.parametrize("line", ["nothing", "`tests/x.py`", "tests/x.py::case"])
def test_what_names_no_case_is_noticed(line: str) -> None:
    assert CASE.search(line) is None
