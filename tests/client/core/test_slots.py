"""Slots against the golden vectors, an independent CRC, and what Redis is known to say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal._core.slots import SLOT_COUNT, partition_of, slot_of


@pytest.fixture(scope="module")
def vectors(repository: Path) -> dict:
    return json.loads((repository / "protos" / "vectors" / "slots.json").read_text())


def bitwise_crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def test_golden_slots(vectors):
    assert len(vectors["cases"]) >= 60
    for case in vectors["cases"]:
        key = bytes.fromhex(case["key_hex"])
        assert slot_of(key) == case["slot"], case
        if "key_utf8" in case:
            assert case["key_utf8"].encode() == key


def test_golden_partitions(vectors):
    assert vectors["partitions"]
    for case in vectors["partitions"]:
        assert partition_of(case["slot"], case["partition_count"]) == case["partition"], case


def test_what_redis_says():
    assert bitwise_crc16(b"123456789") == 0x31C3
    assert slot_of(b"123456789") == 12739
    assert slot_of(b"foo") == 12182
    assert slot_of(b"bar") == 5061
    assert slot_of(b"{user1000}.following") == slot_of(b"{user1000}.followers")


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"a{tag}b", b"tag"),
        (b"a{tag}b{other}", b"tag"),
        (b"foo{}", b"foo{}"),
        (b"foo{}{bar}", b"foo{}{bar}"),
        (b"foo{bar", b"foo{bar"),
        (b"foo}bar", b"foo}bar"),
        (b"}foo{bar}", b"bar"),
        (b"foo{{bar}}zap", b"{bar"),
    ],
)
def test_hash_tags(key, hashed):
    assert slot_of(key) == bitwise_crc16(hashed) % SLOT_COUNT


@given(st.binary().filter(lambda key: b"{" not in key))
def test_the_table_free_crc_is_the_bitwise_one(key):
    assert slot_of(key) == bitwise_crc16(key) % SLOT_COUNT


@given(st.integers(0, SLOT_COUNT - 1), st.integers(0, 14))
def test_partitions_are_equal_contiguous_ranges(slot, exponent):
    partition_count = 2**exponent
    width = SLOT_COUNT // partition_count
    assert partition_of(slot, partition_count) == slot // width
