"""How the planner takes members in, and what it gives to them by their state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planning_story import CONFIG, Story
from shoal_coordinator.registry.records import MemberState, NodeId


def joins_by_hand() -> Story:
    story = Story()
    story.view = replace(story.view, config=replace(CONFIG, replica_count=1, auto_join=False))
    return story


def put(story: Story, node: str, **changes: object) -> None:
    """An operator changes a member."""
    member = replace(story.view.members[NodeId(node)], **changes)  # type: ignore[arg-type]
    story.view = replace(story.view, members={**story.view.members, member.id: member})


def holders(story: Story) -> set[str]:
    return {
        node
        for held in story.view.partitions.values()
        for node in (*held.record.preference, *(copy.node for copy in held.record.in_sync))
    }


def test_who_waits_to_be_added_is_given_nothing() -> None:
    story = joins_by_hand()
    story.up("a", "b", "c")
    assert story.at(0) == [
        f"node {node} waits to be added with weight 100 in no zone" for node in "abc"
    ]
    for node in "ab":
        put(story, node, state=MemberState.ACTIVE)
    story.settled(200)
    assert holders(story) == {"a", "b"}
    put(story, "c", state=MemberState.ACTIVE)
    story.settled(400)
    assert holders(story) == {"a", "b", "c"}


def test_who_waits_is_let_in_once_nodes_join_by_themselves() -> None:
    story = joins_by_hand()
    story.up("a")
    story.at(0)
    assert story.at(1) == []
    story.config(auto_join=True)
    assert story.at(2) == ["node a is let in with weight 100 in no zone"]
    assert story.view.members[NodeId("a")].state is MemberState.ACTIVE


@pytest.mark.parametrize("state", [MemberState.DRAINING, MemberState.LEFT])
def test_who_goes_is_emptied_a_few_moves_at_a_time_while_it_serves(state: MemberState) -> None:
    story = Story()
    story.config(replica_count=1, partition_count=16)
    story.up("a", "b", "c")
    story.settled(200)
    had = [p for p, held in story.view.partitions.items() if "a" in held.record.preference[:2]]
    assert len(had) > 8
    put(story, "a", state=state)
    story.until(206, 201)
    begun = [p for p in had if "a" not in story.view.partitions[p].record.preference[:2]]
    copies_first = [p for p in begun if story.view.partitions[p].record.primary is not None]
    assert 0 < len(copies_first) <= 8
    story.settled(400)
    assert holders(story) == {"b", "c"}


def test_a_drain_that_is_taken_back_gives_its_share_again() -> None:
    story = Story()
    story.config(replica_count=1, partition_count=16)
    story.up("a", "b", "c")
    story.settled(200)
    put(story, "a", state=MemberState.DRAINING)
    story.until(206, 201)
    put(story, "a", state=MemberState.ACTIVE)
    story.settled(400)
    assert holders(story) == {"a", "b", "c"}
    assert sum(held.record.primary.node == "a" for held in story.view.partitions.values()) >= 4  # type: ignore[union-attr]


def test_a_weight_that_an_operator_set_stands_against_the_nodes_own() -> None:
    story = Story()
    story.up("a")
    story.at(0)
    put(story, "a", weight=300, weight_is_set=True)
    assert [it for it in story.at(1) if "weight" in it] == []
    put(story, "a", weight_is_set=False)
    assert story.at(2) == ["node a now has weight 100 in no zone, as it registered"]


def test_a_node_of_weight_0_is_a_proxy() -> None:
    story = Story()
    story.config(replica_count=1)
    story.up("a", "b", "c")
    story.settled(200)
    put(story, "c", weight=0, weight_is_set=True)
    story.settled(400)
    assert holders(story) == {"a", "b"}
