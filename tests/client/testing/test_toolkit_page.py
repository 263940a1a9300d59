"""docs/toolkit.md: its examples run, one after the other, as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "toolkit.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_examples_run() -> None:
    examples = EXAMPLE.findall(PAGE.read_text())
    assert len(examples) > 10
    names: dict[str, object] = {}
    try:
        for example in examples:
            exec(compile(example, str(PAGE), "exec"), names)
    finally:
        for name in ("cache", "guarded", "near", "client"):
            if name in names:
                names[name].close()  # type: ignore[attr-defined]


def test_an_example_that_is_wrong_is_noticed() -> None:
    (example,) = EXAMPLE.findall("text\n```python\nassert 1 == 2\n```\n")
    with pytest.raises(AssertionError):
        exec(example, {})
