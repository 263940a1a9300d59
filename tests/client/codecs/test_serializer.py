"""The frame, compression, and their bounds."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoal
from shoal._codecs.compression import compressed, decompressed, zstd
from shoal._codecs.header import Compression, framed, unframed
from shoal.codecs import Serializer, SignedPickle

"""The machine may be busy."""

KEY = b"k"
MIB = 1024 * 1024


@given(st.integers(0, 255), st.sampled_from(Compression), st.binary())
def test_a_frame_is_taken_apart_as_it_was_put_together(codec, compression, body) -> None:
    assert unframed(framed(codec, compression, body)) == (codec, compression, body)


@pytest.mark.parametrize(
    "stored", [b"", b"\xc1", b"\xc1\x01\x01", b"text", b"\xc1\x02\x01\x00v", b"\xc1\x01\x01\x07v"]
)
def test_what_has_no_frame_of_ours_is_refused(stored: bytes) -> None:
    with pytest.raises(shoal.UnreadableValue):
        Serializer().decode(stored, KEY)


@pytest.mark.parametrize("stored", [b"\xc1", b"\xc1\x01\x01\x00"])
def test_no_text_begins_as_a_frame_does(stored: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        stored.decode()


def test_large_values_are_compressed_and_small_ones_are_not() -> None:
    serializer = Serializer(compress_above=100)
    small, large = serializer.encode("x" * 90, KEY), serializer.encode("x" * 9_000, KEY)
    assert unframed(small).compression is Compression.NONE
    assert unframed(large).compression is Compression.ZSTD
    assert len(large) < 100
    assert serializer.decode(large, KEY) == "x" * 9_000
    never = Serializer(compress_above=None).encode("x" * 9_000, KEY)
    assert unframed(never).compression is Compression.NONE
    assert serializer.decode(never, KEY) == "x" * 9_000


def test_what_compression_makes_no_smaller_is_stored_as_it_is() -> None:
    noise = SignedPickle(b"0123456789abcdef").encode(b"", KEY)[:32]
    assert unframed(Serializer(compress_above=0).encode(noise, KEY)).compression is Compression.NONE


@given(st.binary(max_size=5000), st.integers(0, 5000))
def test_unpacking_never_gives_more_than_allowed(body: bytes, largest_bytes: int) -> None:
    packed = compressed(body)
    if len(body) <= largest_bytes:
        assert decompressed(packed, largest_bytes) == body
    else:
        with pytest.raises(shoal.UnreadableValue, match="allowed"):
            decompressed(packed, largest_bytes)


def bombs() -> list[Any]:
    body = bytes(256 * MIB)
    told = zstd.compress(body)
    without_size = zstd.compress(body, options={zstd.CompressionParameter.content_size_flag: 0})
    lying = bytes(zstd.compress(b"x" * 100))
    assert zstd.get_frame_info(lying).decompressed_size == 100
    body_of_bomb = zstd.compress(bytes(120_000))
    return [
        pytest.param(told, id="tells its size"),
        pytest.param(without_size, id="does not tell"),
        pytest.param(zstd.compress(b"x") * 1000, id="many frames"),
        pytest.param(body_of_bomb[:-3], id="cut off"),
        pytest.param(lying + b"rest", id="something behind it"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 50, id="no frame"),
    ]


@pytest.mark.parametrize("bomb", bombs())
def test_a_bomb_is_refused_before_memory_is_taken(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(shoal.UnreadableValue):
            Serializer(max_bytes=MIB).decode(framed(1, Compression.ZSTD, bomb), KEY)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MIB


def test_what_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(shoal.InvalidRequest, match="max_bytes"):
        Serializer(max_bytes=100).encode("x" * 200, KEY)
    with pytest.raises(shoal.UnreadableValue, match="allowed"):
        Serializer(max_bytes=100).decode(
            Serializer(compress_above=None).encode("x" * 200, KEY), KEY
        )


def test_codecs_are_changed_one_after_the_other() -> None:
    stored = Serializer("json").encode({"a": 1}, KEY)
    with pytest.raises(shoal.UnreadableValue, match="also_reads"):
        Serializer().decode(stored, KEY)
    both = Serializer("msgpack", also_reads=["json"])
    assert both.decode(stored, KEY) == {"a": 1}
    assert both.decode(both.encode({"a": 2}, KEY), KEY) == {"a": 2}


def test_pickle_is_not_read_unless_it_was_asked_for() -> None:
    stored = Serializer(SignedPickle(b"0123456789abcdef")).encode("v", KEY)
    with pytest.raises(shoal.UnreadableValue):
        Serializer().decode(stored, KEY)


class Upper:
    """An application's own codec."""

    number = 64

    def encode(self, value: Any, key: bytes) -> bytes:
        return str(value).upper().encode()

    def decode(self, body: bytes, key: bytes) -> Any:
        return body.decode().lower()


def test_an_application_may_bring_its_own_codec() -> None:
    assert Serializer(Upper()).decode(Serializer(Upper()).encode("ab", KEY), KEY) == "ab"


@pytest.mark.parametrize(
    "settings",
    [
        {"codec": "pickle"},
        {"max_bytes": 0},
        {"compress_above": -1},
        {"codec": "json", "also_reads": ["json"]},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: Any) -> None:
    with pytest.raises(shoal.ConfigurationError):
        Serializer(**settings)


def test_compression_is_loaded_when_it_is_needed() -> None:
    check = (
        "import sys; from shoal.codecs import Serializer; s = Serializer(); s.encode(1, b'k'); "
        "print([name for name in sys.modules if name.endswith('zstd') or name == 'grpc'])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
