"""Stories of an invalidation by tag: any node is asked, and asked again until one answers."""

from __future__ import annotations

import pytest

import shoal
from shoal import Outcome
from shoal._core import operations
from shoal._core.failures import Code, Failure
from shoal._core.requests import wire_fresh, wire_tags
from shoal._core.session import Remembered
from shoal.v1 import cache_pb2

DONE = cache_pb2.InvalidateTagResponse(
    versions=[
        cache_pb2.PartitionVersion(partition=1, version=cache_pb2.Version(epoch=2, seq=7)),
    ]
)
PARTLY = Failure(Code.UNAVAILABLE, "NO_OWNER", Outcome.MAYBE_APPLIED, "repeat the request")
BAD = Failure(Code.INVALID_ARGUMENT, "BAD_TAG", Outcome.NOT_APPLIED, "a sentence")


def invalidate(core, **options):
    return operations.invalidate_tag(core, "t", **{"ack": None, "timeout": None, **options})


def test_whichever_node_is_asked_tells_the_others(core, play):
    story = play(invalidate(core), [DONE])
    (line,) = story.lines
    assert "InvalidateTag unrouted" in line
    assert story.requests[0].tag == "t"


def test_what_failed_in_part_is_made_again(core, play):
    story = play(invalidate(core), [PARTLY, DONE])
    assert story.error is None
    asked = [line.split()[0] for line in story.lines if "InvalidateTag" in line]
    assert len(asked) == len(set(asked)) == 2


def test_what_cannot_be_helped_is_raised(core, play):
    story = play(invalidate(core), [BAD])
    assert isinstance(story.error, shoal.InvalidRequest)


def test_a_session_remembers_it(core, key_of, play):
    remembered = Remembered()
    play(invalidate(core, session=remembered), [DONE])
    assert remembered.at_least(1) == shoal.Version(2, 7)


def test_tags_are_checked_and_told_once():
    assert wire_tags(["b", "a", "b"]) == ["b", "a"]
    assert wire_tags(()) == []
    for tags in (["é" * 65], [""], [str(number) for number in range(17)], "tag", [b"t"]):
        with pytest.raises(shoal.InvalidRequest):
            wire_tags(tags)
    assert wire_tags(["é" * 64]) == ["é" * 64]


def test_fresh_times_are_at_most_the_ttl():
    assert wire_fresh(None, None) == wire_fresh(None, "1m") == 0
    assert wire_fresh("1m", None) == wire_fresh("1m", "1m") == 60_000
    with pytest.raises(shoal.InvalidRequest) as caught:
        wire_fresh("61s", "1m")
    assert caught.value.reason == "BAD_CONDITION"
