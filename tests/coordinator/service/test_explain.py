"""Why a slot is where it is, told from views."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planning_story import Story
from shoal.v1 import admin_pb2
from shoal_coordinator.placement.tokens import partition_point
from shoal_coordinator.registry.records import NodeId
from shoal_coordinator.service.explain import SLOT_COUNT, explained


def told(story: Story, slot: int) -> admin_pb2.ExplainRingResponse:
    assert story.view.config is not None
    return explained(story.view, story.view.config, slot)


@pytest.fixture
def story() -> Story:
    story = Story()
    story.config(partition_count=64)
    return story


def test_before_the_first_plan(story: Story) -> None:
    answer = told(story, 300)
    assert (answer.slot, answer.partition, [*answer.why]) == (300, 1, ["it is not planned yet"])
    assert not answer.HasField("record")


def test_the_last_slot_is_in_the_last_partition(story: Story) -> None:
    assert told(story, SLOT_COUNT - 1).partition == 63


def test_tokens_are_those_that_the_walk_meets_from_the_partitions_point(story: Story) -> None:
    story.up("a", "b", "c")
    story.settled(100)
    answer = told(story, 0)
    assert answer.point == partition_point(0)
    assert sorted(it.node for it in answer.tokens) == ["a", "b", "c"]
    ahead = [(it.point - answer.point) % (1 << 64) for it in answer.tokens]
    assert ahead == sorted(ahead)


def test_it_says_why_another_node_serves_it(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    record = story.record(0)
    wanted, other = record.preference[:2]
    story.taken(0, other)
    why = [*told(story, 0).why]
    assert why[0] == f"{other} serves it until {wanted} has caught up"
    story._put(replace(story.record(0), handoff_to=NodeId(wanted)))
    assert f"{other} serves it and is handing it to {wanted}" in told(story, 0).why
    story.down(wanted)
    story._put(replace(story.record(0), handoff_to=None))
    assert f"{other} serves it, because {wanted} is down" in told(story, 0).why
    assert f"a copy is wanted on {wanted}, which is down" in told(story, 0).why
    story.down(other)
    assert told(story, 0).why[0] == (
        f"its primary {other} is gone or has restarted: a copy in sync takes over"
    )


def test_it_says_where_the_walk_would_have_led(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    story.up("c")
    story.until(130, start=100)
    answers = [told(story, slot) for slot in range(0, SLOT_COUNT, SLOT_COUNT // 64)]
    elsewhere = [it for it in answers if it.tokens[0].node != it.record.preference[0]]
    assert elsewhere, "void"
    for it in answers:
        says = any(sentence.startswith("the walk meets") for sentence in it.why)
        assert says == (it in elsewhere)
