"""Where the parts of a counter lie, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoal
from shoal._core import sharded_counting
from shoal._core.sharded_counting import MOST_PARTS, parts_of
from shoal._core.slots import slot_of
from shoal.v1 import cache_pb2


@given(st.text(alphabet="abcxyz:0123456789", min_size=1, max_size=20), st.integers(2, 64))
def test_parts_are_keys_of_their_own_and_lie_apart(key: str, shards: int) -> None:
    parts = parts_of(key, shards)
    assert len({*parts}) == shards
    assert all(part.startswith(key.encode()) for part in parts)
    # They differ in their last bytes, and so in the CRC's: no two of ten lie in one slot.
    assert len({slot_of(part) for part in parts[:10]}) == len(parts[:10])


def test_everybody_finds_the_same_parts() -> None:
    assert parts_of("views", 3) == parts_of(b"views", 3) == (b"views#0", b"views#1", b"views#2")


@pytest.mark.parametrize("shards", [0, -1, True, 2.0, "4", MOST_PARTS + 1])
def test_a_number_of_parts_that_cannot_be_meant_is_refused(shards) -> None:
    with pytest.raises(shoal.InvalidRequest, match="shards"):
        parts_of("views", shards)


@pytest.mark.parametrize("key", ["", "k" * 1023, 7, "{post:1}:views", "a{b}"])
def test_a_key_that_cannot_be_split_is_refused(key) -> None:
    with pytest.raises(shoal.InvalidRequest):
        parts_of(key, 16)


def test_a_count_sums_the_parts_that_are_there(core, play) -> None:
    answers = [
        cache_pb2.MGetResponse(
            entries=[
                cache_pb2.GetResponse(status=cache_pb2.HIT, value=b"5"),
                cache_pb2.GetResponse(status=cache_pb2.MISS),
            ]
        ),
    ]
    parts = [part for part in parts_of("v", 64) if core.topology.owner_address(part) == "b:1"][:2]
    story = play(sharded_counting.value(core, parts, None, None), answers)
    assert story.result == 5


def test_a_part_that_is_no_number_is_told(core, play) -> None:
    answers = [
        cache_pb2.MGetResponse(entries=[cache_pb2.GetResponse(status=cache_pb2.HIT, value=b"x")])
    ]
    story = play(sharded_counting.value(core, [b"v#0"], None, None), answers)
    assert type(story.error) is shoal.InvalidRequest
    assert "v#0" in str(story.error)
