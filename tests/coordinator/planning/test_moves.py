"""Moves as the policy wants them, told as stories."""

from __future__ import annotations

from dataclasses import replace

from planning_story import Story
from shoal_coordinator.registry.records import NodeId, RebalanceMode, RebalancePolicy


def policy(story: Story, **changes: object) -> None:
    assert story.view.config is not None
    new = replace(story.view.config.rebalance, **changes)  # type: ignore[arg-type]
    story._change(config=replace(story.view.config, rebalance=new))


def joining(story: Story, **changes: object) -> None:
    """b joins a; copies are on their way to it at 106."""
    story.config(partition_count=32)
    story.up("a")
    story.settled(100)
    policy(story, **changes)
    story.up("b")
    story.until(105, start=100)
    story.at(106)


def under_way(story: Story) -> list[int]:
    return [
        p
        for p, held in sorted(story.view.partitions.items())
        if held.record.preference[0] == "b" or held.record.handoff_to is not None
    ]


def test_limits_of_a_node_and_of_zones_hold(story: Story) -> None:
    joining(story, moves_per_node_max=3)
    assert len(under_way(story)) == 3


def test_a_paused_rebalance_begins_nothing_and_goes_on_when_resumed(story: Story) -> None:
    joining(story, mode=RebalanceMode.PAUSED)
    assert under_way(story) == []
    assert story.waiting == "the rebalance is paused"
    policy(story, mode=RebalanceMode.RUNNING)
    story.at(107)
    assert len(under_way(story)) == RebalancePolicy().moves_max


def test_a_cancelled_rebalance_takes_back_what_is_under_way(story: Story) -> None:
    joining(story)
    story.at(106.25)
    assert under_way(story)
    policy(story, mode=RebalanceMode.CANCELLED)
    told = story.until(108, start=106.5)
    assert any(it.endswith("is not handed to b: the rebalance is cancelled") for it in told)
    assert under_way(story) == []
    assert all(held.record.preference[0] == "a" for held in story.view.partitions.values())
    assert story.until(120, start=108.25) == [], "and it stays so"


def test_repairs_go_before_moves(story: Story) -> None:
    story.config(partition_count=16, replica_count=1)
    story.up("a", "b", "c")
    story.settled(100)
    story.down("c")
    story.taken_as_wanted()
    story.up("d")
    story.until(159, start=100)
    before = {p: held.record for p, held in story.view.partitions.items()}
    story.until(163, start=159.25)
    for p, old in before.items():
        new = story.record(p)
        made = {*new.preference[:2]} - {copy.node for copy in old.in_sync}
        lacked = len([copy for copy in old.in_sync if copy.node != "c"]) < 2
        assert not made or lacked, f"partition {p} moves while others lack copies"
    assert any("c" not in held.record.preference for held in story.view.partitions.values())


def test_a_lost_node_holds_moves_up(story: Story) -> None:
    story.config(partition_count=32, replica_count=0)
    story.up("a", "c")
    story.settled(100)
    story.up("b")
    story.until(104, start=100)
    story.down("c")
    story.until(110, start=104.25)
    # What c had is given to others meanwhile: that is a repair.
    of_a = [held.record for held in story.view.partitions.values()]
    of_a = [it for it in of_a if it.primary is not None and it.primary.node == "a"]
    assert of_a
    assert all(it.preference[0] != NodeId("b") for it in of_a)
    assert story.waiting is not None
    assert story.waiting.endswith("partitions have too few copies")
