from __future__ import annotations

import pytest

import shoal
from shoal._core.requests import (
    wire_ack,
    wire_condition,
    wire_int64,
    wire_key,
    wire_read,
    wire_ttl,
    wire_value,
)
from shoal.v1 import cache_pb2


class Text(str):
    pass


@pytest.mark.parametrize(
    ("key", "wire"),
    [("ü", "ü".encode()), (b"\x00\xff", b"\x00\xff"), (Text("k"), b"k"), ("k" * 1024, b"k" * 1024)],
)
def test_keys(key, wire):
    assert wire_key(key) == wire


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "KEY_EMPTY"),
        (b"", "KEY_EMPTY"),
        ("ü" * 513, "KEY_TOO_LONG"),
        (b"k" * 1025, "KEY_TOO_LONG"),
        (None, "MALFORMED_REQUEST"),
        (42, "MALFORMED_REQUEST"),
        (bytearray(b"k"), "MALFORMED_REQUEST"),
        ("\ud800", "MALFORMED_REQUEST"),
    ],
)
def test_keys_that_cannot_be(key, reason):
    with pytest.raises(shoal.InvalidRequest) as caught:
        wire_key(key)
    assert caught.value.reason == reason


def test_values():
    assert wire_value("ü") == "ü".encode()
    assert wire_value(bytearray(b"v")) == b"v"
    assert wire_value(memoryview(b"value")[1:3]) == b"al"
    assert wire_value(b"") == b""
    for value in (None, 5, 1.5, ["v"], {"v": 1}):
        with pytest.raises(shoal.InvalidRequest, match=r"json\.dumps"):
            wire_value(value)


def test_ttls():
    assert wire_ttl(None) == 0
    assert wire_ttl("10m") == 600_000
    with pytest.raises(shoal.InvalidRequest):
        wire_ttl(True)


def test_conditions():
    def condition(**given):
        return wire_condition(
            **{"if_absent": False, "if_present": False, "if_version": None, **given}
        )

    assert condition() is None
    assert condition(if_absent=True) == cache_pb2.Condition(if_absent=True)
    assert condition(if_present=True) == cache_pb2.Condition(if_present=True)
    assert condition(if_version=shoal.Version(2, 3)) == cache_pb2.Condition(
        if_version=cache_pb2.Version(epoch=2, seq=3)
    )
    for given in (
        {"if_absent": True, "if_present": True},
        {"if_absent": True, "if_version": shoal.Version(0, 0)},
        {"if_version": 7},
    ):
        with pytest.raises(shoal.InvalidRequest) as caught:
            condition(**given)
        assert caught.value.reason == "BAD_CONDITION"


def test_acks():
    assert wire_ack(None) == cache_pb2.ACK_UNSPECIFIED
    assert wire_ack(shoal.Ack.PRIMARY) == wire_ack("primary") == cache_pb2.ACK_PRIMARY
    assert wire_ack("in_sync") == cache_pb2.ACK_IN_SYNC
    with pytest.raises(shoal.InvalidRequest, match="'primary' or 'in_sync'"):
        wire_ack("all")


def test_read_modes():
    assert wire_read(None) == cache_pb2.READ_MODE_UNSPECIFIED
    assert wire_read(shoal.ReadMode.PRIMARY) == wire_read("primary") == cache_pb2.READ_MODE_PRIMARY
    assert wire_read("any") == cache_pb2.READ_MODE_ANY
    assert wire_read("nearest") == cache_pb2.READ_MODE_ANY
    with pytest.raises(shoal.InvalidRequest, match="'primary', 'any' or 'nearest'"):
        wire_read("near")


def test_integers():
    assert wire_int64(-(2**63), "delta") == -(2**63)
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(shoal.InvalidRequest) as caught:
            wire_int64(number, "delta")
        assert caught.value.reason == "OVERFLOW"
    for number in (True, 1.0, "1"):
        with pytest.raises(shoal.InvalidRequest, match="whole number"):
            wire_int64(number, "delta")
