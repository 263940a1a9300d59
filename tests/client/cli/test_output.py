"""Bytes in, bytes out."""

from __future__ import annotations

from datetime import timedelta

from shoal.cli.output import bytes_fields, bytes_of_argument, milliseconds


def test_text_is_a_string_and_anything_else_is_base64() -> None:
    assert bytes_fields("value", "tea ☕".encode()) == {"value": "tea ☕"}
    assert bytes_fields("value", b"\xff\x00") == {"value_base64": "/wA="}


def test_an_argument_that_is_no_text_keeps_its_bytes() -> None:
    assert bytes_of_argument("caf\udce9") == b"caf\xe9"


def test_milliseconds_are_whole() -> None:
    assert milliseconds(timedelta(seconds=1, microseconds=999)) == 1000
