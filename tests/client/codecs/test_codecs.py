"""What each codec keeps comes back equal and of its type; the rest is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import pickle
import uuid
from collections import OrderedDict
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoal
from shoal.codecs import Codec, Json, Msgpack, Serializer, SignedPickle

"""The machine may be busy."""

SECRET = b"0123456789abcdef"
KEY = b"product:42"

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
floats = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
rich = (
    plain
    | floats
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)


def nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(keys, inner, max_size=4)
        ),
        max_leaves=10,
    )


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: 1 is neither True nor 1.0."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, list | tuple):
        return all(map(same, one, other))
    if isinstance(one, dict):
        return all(same(a, b) for a, b in zip(one.items(), other.items(), strict=True))
    return True


@given(nested(rich, plain | floats | st.uuids() | st.dates()))
def test_msgpack_keeps_what_it_takes(value: Any) -> None:
    codec = Msgpack()
    assert same(codec.decode(codec.encode(value, KEY), KEY), value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | finite | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )
)
def test_json_keeps_what_it_takes(value: Any) -> None:
    codec = Json()
    assert same(codec.decode(codec.encode(value, KEY), KEY), value)
    assert json.loads(codec.encode(value, KEY)) == value


@given(nested(rich, plain))
def test_signed_pickle_keeps_what_it_takes(value: Any) -> None:
    codec = SignedPickle(SECRET)
    assert same(codec.decode(codec.encode(value, KEY), KEY), value)


class Colour(enum.StrEnum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


NOT_MSGPACK = [
    {1, 2},
    Colour.RED,
    {Colour.RED: 1},
    Point(1, 2),
    OrderedDict(a=1),
    2**64,
    object(),
    "\ud800",
    decimal.Decimal("NaN"),
    decimal.Decimal("sNaN"),
    dt.datetime,
    shoal.MISSING,
]


@pytest.mark.parametrize("value", NOT_MSGPACK)
def test_msgpack_refuses_what_would_come_back_as_something_else(value: Any) -> None:
    with pytest.raises(shoal.InvalidRequest) as caught:
        Serializer().encode([value], KEY)
    assert caught.value.reason == "NOT_SERIALIZABLE"


@pytest.mark.parametrize(
    "value", [(1, 2), {1: 2}, b"x", math.nan, math.inf, Colour.RED, uuid.UUID(int=1)]
)
def test_json_refuses_what_would_come_back_as_something_else(value: Any) -> None:
    with pytest.raises(shoal.InvalidRequest) as caught:
        Serializer("json").encode(value, KEY)
    assert caught.value.reason == "NOT_SERIALIZABLE"


@pytest.mark.parametrize(
    "codec", [Msgpack(), Json(), SignedPickle(SECRET)], ids=lambda c: type(c).__name__
)
@given(body=st.binary(max_size=60))
def test_bytes_of_others_are_refused_or_read_and_never_anything_else(
    codec: Codec, body: bytes
) -> None:
    serializer = Serializer(codec)
    stored = bytes((0xC1, 1, codec.number, 0)) + body
    with suppress(shoal.UnreadableValue):
        serializer.decode(stored, KEY)


class Runs:
    """Unpickling it tells."""

    ran = False

    def __reduce__(self) -> Any:
        return (setattr, (Runs, "ran", True))


def test_a_pickle_that_is_not_signed_is_not_read() -> None:
    codec = SignedPickle(SECRET)
    for forged in (
        pickle.dumps(Runs()),
        bytes(32) + pickle.dumps(Runs()),
        SignedPickle(b"another secret of 16").encode(Runs(), KEY),
        codec.encode(Runs(), b"another:key"),
        b"",
    ):
        with pytest.raises(shoal.UnreadableValue, match="not signed"):
            codec.decode(forged, KEY)
    assert not Runs.ran


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_signed_pickle_with_one_bit_changed_is_not_read(position: int, bit: int) -> None:
    codec = SignedPickle(SECRET)
    signed = bytearray(codec.encode({"a": [1, 2, 3]}, KEY))
    signed[position % len(signed)] ^= 1 << bit
    with pytest.raises(shoal.UnreadableValue, match="not signed"):
        codec.decode(bytes(signed), KEY)


def test_secrets_are_changed_one_after_the_other() -> None:
    old, new = b"old secret of 16 b", b"new secret of 16 b"
    stored = SignedPickle(old).encode("v", KEY)
    both = SignedPickle(new, old)
    assert both.decode(stored, KEY) == "v"
    assert SignedPickle(new).decode(both.encode("v", KEY), KEY) == "v"
    with pytest.raises(shoal.UnreadableValue):
        SignedPickle(new).decode(stored, KEY)
    assert "secret of" not in repr(both)


@pytest.mark.parametrize("secrets", [(), (b"short",), ("0123456789abcdef",)])
def test_a_secret_must_be_one(secrets: Any) -> None:
    with pytest.raises(shoal.ConfigurationError):
        SignedPickle(*secrets)


def test_what_unpickles_no_more_is_unreadable() -> None:
    class Gone:
        pass

    Gone.__qualname__ = "Gone"
    globals()["Gone"] = Gone
    stored = SignedPickle(SECRET).encode(Gone(), KEY)
    del globals()["Gone"]
    with pytest.raises(shoal.UnreadableValue):
        SignedPickle(SECRET).decode(stored, KEY)
