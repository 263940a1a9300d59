"""The token that calls show, and a file of it that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal._core.token import Token
from shoal._drivers.bearing import Bearer, bearing


class Calls:
    """A method of a stub that remembers how it was called."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []

    def __call__(self, request: str, timeout: float | None, metadata: object) -> None:
        self.made.append((request, timeout, metadata))

    future = __call__


def test_every_call_shows_the_token():
    calls = Calls()
    method = bearing({"Get": calls}, Bearer(Token("t0")))["Get"]
    method("one", 1.0)
    method("two", timeout=2.0)
    method("three")
    method.future("four", 4.0)
    shown = (("authorization", "Bearer t0"),)
    assert [made[2] for made in calls.made] == [shown] * 4
    assert [made[:2] for made in calls.made] == [
        ("one", 1.0),
        ("two", 2.0),
        ("three", None),
        ("four", 4.0),
    ]
    assert bearing({"Get": calls}, None)["Get"] is calls


def test_a_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path):
    file, now = tmp_path / "token", [0.0]
    file.write_text("t0\n")
    bearer = Bearer(Token(file=str(file)), clock=lambda: now[0])
    assert bearer.metadata() == (("authorization", "Bearer t0"),)
    file.write_text("t1")
    assert bearer.metadata() == (("authorization", "Bearer t0"),), "not at each call"
    now[0] = 1.5
    assert bearer.metadata() == (("authorization", "Bearer t1"),)
    for content in ("two words", ""):
        file.write_text(content)
        now[0] += 1.5
        assert bearer.metadata() == (("authorization", "Bearer t1"),)
    file.unlink()
    now[0] += 1.5
    assert bearer.metadata() == (("authorization", "Bearer t1"),)
    with pytest.raises(shoal.ConfigurationError, match="cannot be read"):
        Bearer(Token(file=str(file)))
