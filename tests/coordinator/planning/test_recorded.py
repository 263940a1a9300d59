"""What records say was planned last."""

from __future__ import annotations

from dataclasses import replace

from planning_story import Story
from shoal_coordinator.planning.recorded import recorded, wanted_next
from shoal_coordinator.registry.records import NodeId, PartitionId


def test_what_has_no_record_is_wanted_nowhere(story: Story) -> None:
    assert {it.preference for it in recorded(story.view, 4).partitions} == {()}


def test_the_list_alone_counts_where_the_replicas_disagree(story: Story) -> None:
    story.config(replica_count=1)
    story.up("a", "b", "c")
    story.settled(100)
    ring = story.memory.ring or ()
    assert story.view.config is not None
    before = wanted_next(story.view, story.view.config, ring)
    record = story.record(0)
    third = record.preference[2]
    story._put(replace(record, replicas=(NodeId(third),)))
    told = story.until(103, start=100)
    assert len(told) == 1
    assert story.record(0) == record
    assert wanted_next(story.view, story.view.config, ring) == before
    assert recorded(story.view, 4).partitions[0].partition == PartitionId(0)


def test_two_coordinators_that_see_one_view_want_the_same(story: Story) -> None:
    story.config(replica_count=1, partition_count=16)
    story.up("a", "b", "c")
    story.settled(100)
    story.up("d")
    for now in range(101, 108):
        story.at(now)
        assert story.view.config is not None
        ring = story.memory.ring or ()
        first = wanted_next(story.view, story.view.config, ring)
        assert wanted_next(story.view, story.view.config, ring[::-1]) == first
