"""Keys from arguments: checked early, and no two calls share one by accident."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoal
from shoal._toolkit.keys import Keys

"""The machine may be busy."""


def product(id: Any, locale: Any = "en") -> None:  # noqa: A002
    """A function to be cached."""


def test_a_key_is_filled_from_arguments_however_they_are_passed() -> None:
    keys = Keys("product:{id}:{locale}", ["product:{id}", "all"], product)
    expected = (b"product:42:en", ["product:42", "all"])
    assert keys.of(42) == keys.of(id=42) == keys.of(42, locale="en") == expected


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ("a:b%", b"a%3Ab%25"),
        ("ü", b"%C3%BC"),
        (-3, b"-3"),
        (True, b"true"),
        (uuid.UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (dt.date(2026, 1, 2), b"2026-01-02"),
        (enum.Enum("Colour", {"RED": "red"})["RED"], b"red"),  # type: ignore[index]
    ],
)
def test_how_arguments_are_spelt(value: Any, spelt: bytes) -> None:
    assert Keys("{id}:{locale}", [], product).of(value, "x")[0] == spelt + b":x"


def test_what_a_key_leaves_out_makes_no_difference() -> None:
    keys = Keys("product:{id}", [], product)
    assert keys.of(1, "en") == keys.of(1, "de")


@pytest.mark.parametrize("value", [1.5, None, b"x", [1], object()])
def test_what_has_no_one_spelling_is_refused(value: Any) -> None:
    with pytest.raises(shoal.InvalidRequest, match="spelling"):
        Keys("{id}:{locale}", [], product).of(value)


texts = st.text(min_size=1, max_size=8)


@given(texts, texts, texts, texts)
def test_different_calls_have_different_keys(a: str, b: str, c: str, d: str) -> None:
    keys = Keys("product:{id}:{locale}", [], product)
    assert (keys.of(a, b)[0] == keys.of(c, d)[0]) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    ("key", "tags", "says"),
    [
        ("product:{ident}:{locale}", [], "'ident', which is no parameter.*id, locale"),
        ("product:{}:{id}:{locale}", [], "no parameter"),
        ("product:{id.name}:{locale}", [], "no parameter"),
        ("product:{id!r}:{locale}", [], "format"),
        ("product:{id:>4}:{locale}", [], "format"),
        ("product:{id", [], "no template"),
        ("{id}:{locale}", ["tag:{none}"], "tag 'tag:{none}' names 'none'"),
        ("{id}:{locale}", "tag", "several"),
    ],
)
def test_templates_are_checked_when_the_function_is_decorated(key, tags, says) -> None:
    with pytest.raises(shoal.ConfigurationError, match=says):
        Keys(key, tags, product)


def test_a_call_that_the_function_would_refuse_is_refused() -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        Keys("{id}:{locale}", [], product).of()
