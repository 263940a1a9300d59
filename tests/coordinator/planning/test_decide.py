"""The planner's decisions, told as stories: what is shown, when, and the sentences said."""

from __future__ import annotations

import pytest

from planning_story import CONFIG, Story
from shoal_coordinator.planning.actions import ClearHandoff, MarkHandoff, UpdatePreference
from shoal_coordinator.registry.records import NodeId, PartitionId


def misplaced(story: Story) -> list[int]:
    return [
        p
        for p, held in sorted(story.view.partitions.items())
        if held.record.primary is not None and held.record.primary.node != held.record.preference[0]
    ]


def test_a_cluster_of_one_node_comes_to_be(story: Story) -> None:
    assert story.at(0) == []
    assert story.waiting == "waiting for a node that can own partitions"
    story.up("a")
    assert story.at(1) == ["node a joins with weight 100 in no zone"]
    assert story.at(2) == []
    assert story.waiting == "waiting for the membership to settle"
    assert story.at(3) == [f"partition {p} is planned on a" for p in range(4)]
    assert story.at(3.1) == []
    assert story.waiting is None
    assert all(held.record.epoch == 0 for held in story.view.partitions.values())


def test_the_first_placement_waits_for_the_nodes_it_was_told_of(story: Story) -> None:
    story.config(bootstrap_nodes=3)
    story.up("a", "b")
    story.at(0)
    assert story.at(10) == []
    assert story.waiting == "waiting for nodes: 2 of 3 are here"
    story.up("c")
    story.at(11)
    assert story.at(12) == []
    assert len(story.at(13)) == 4


def test_a_proxy_becomes_a_member_and_is_not_waited_for_as_an_owner(story: Story) -> None:
    story.up("proxy", weight=0)
    assert story.at(0) == ["node proxy joins with weight 0 in no zone"]
    assert story.at(10) == []
    assert story.waiting == "waiting for a node that can own partitions"


def test_a_crash_amid_the_first_plan_is_made_good_by_the_next_leader(story: Story) -> None:
    story.up("a")
    story.at(0)
    story.at(1)
    story.at(2)
    story.view = story.view.__class__(
        cluster="test",
        revision=story.view.revision,
        config=story.view.config,
        nodes=story.view.nodes,
        members=story.view.members,
        partitions={PartitionId(0): story.view.partitions[PartitionId(0)]},
    )
    story.another_leader()
    assert story.at(3) == []
    assert story.at(4) == [f"partition {p} is planned on a" for p in (1, 2, 3)]


def test_a_new_node_is_wanted_at_once_and_given_its_share_later(story: Story) -> None:
    story.up("a")
    story.settled(100)
    story.up("b")
    assert story.at(100) == ["node b joins with weight 100 in no zone"]
    assert story.at(100.5) == []
    assert story.waiting == "waiting for the membership to settle"
    updates = story.at(101.5)
    assert updates
    assert all(it.endswith(" is now wanted on a, then b") for it in updates), "no copy is made"
    moves = [p for p in range(4) if len(story.record(p).preference) == 1]
    assert moves, "the test needs a placement that moves something"
    assert story.at(105.4) == [], "the ring changed at 100.5"
    sentence = "partition {} is now wanted on b, then a, and shall move to b"
    assert story.at(105.6) == [sentence.format(p) for p in moves]
    assert story.at(107) == [], "they are on their way"
    for p in moves:
        story.taken(p, "b")
    assert story.at(109) == []
    assert misplaced(story) == []


def test_a_restart_changes_no_placement(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    lists = story.wanted()
    story.down("a")
    assert story.until(130, start=100) == []
    story.up("a")
    assert story.until(150, start=130) == []
    assert story.wanted() == lists


def test_what_was_taken_over_is_moved_back_once_the_node_has_been_up_for_a_while(
    story: Story,
) -> None:
    story.up("a", "b")
    story.settled(100)
    lost = [p for p, node in story.wanted().items() if node == "a"]
    story.down("a")
    story.at(100)
    for p in lost:
        story.taken(p, "b")
    story.up("a")
    assert story.until(104.75, start=100.25) == []
    assert story.until(105.5, start=105) == [f"partition {p} shall move from b to a" for p in lost]


def test_each_restart_doubles_the_wait(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    lost = [p for p, node in story.wanted().items() if node == "a"]
    now = 100.0
    for _ in range(6):
        story.down("a")
        assert story.at(now) == []
        for p in lost:
            if story.record(p).primary.node == "a":  # type: ignore[union-attr]
                story.taken(p, "b")
        story.up("a")
        assert story.at(now + 1) == []
        now += 4
    back = now - 3
    assert story.until(back + 63.5, start=back) == [], "2 s doubled five times"
    assert len(story.until(back + 65, start=back + 63.75)) == len(lost)


def test_a_node_that_stays_away_loses_its_place_and_gets_it_back_on_return(story: Story) -> None:
    story.up("a", "b", "c")
    story.settled(100)
    before = story.wanted()
    story.down("c")
    story.at(100)
    for p, node in before.items():
        if node == "c":
            story.taken(p, "a")
    assert story.until(159, start=100) == []
    told = story.until(162, start=159.25)
    assert told
    assert all("c" not in it.split(" wanted on ")[1] for it in told if " wanted on " in it)
    assert "c" not in story.wanted().values()
    story.up("c")
    story.until(175, start=162.25)
    assert "c" in story.wanted().values(), "a share, not the same"


def test_a_new_leader_does_not_bring_back_a_node_that_had_lost_its_place(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    story.down("b")
    story.until(170, start=100)
    story.taken_as_wanted()
    assert set(story.wanted().values()) == {"a"}
    story.another_leader()
    assert story.until(300, start=171) == []


def test_a_new_leader_gives_a_node_that_is_down_its_whole_grace(story: Story) -> None:
    story.up("a", "b")
    story.settled(100)
    story.down("b")
    story.until(150, start=100)
    story.taken_as_wanted()
    story.another_leader()
    assert story.until(209, start=150) == []
    assert story.until(213, start=209.25)


def test_moves_are_few_at_a_time_and_begin_one_after_the_other(story: Story) -> None:
    story.config(partition_count=64)
    story.up("a")
    story.settled(100)
    story.up("b")
    story.until(105, start=100)
    assert len(story.at(105.25)) == 2, "in a quarter of a second, of eight a second"
    assert len(wanted_on_b(story)) == 2
    assert all(story.record(p).handoff_to == "b" for p in wanted_on_b(story)), "in one write"
    assert story.at(105.37) == [], "it is no eighth of a second since the last"
    assert len(story.at(105.39)) == 1
    story.until(110, start=105.5)
    moves = wanted_on_b(story)
    assert len(moves) == CONFIG.rebalance.moves_max, "none has come about"
    for p in moves[:3]:
        story.taken(p, "b")
    assert len(story.at(110.125)) == 1
    assert len(story.at(112)) == 2, "there is room for no more"


def wanted_on_b(story: Story) -> list[int]:
    return [p for p, it in story.view.partitions.items() if it.record.preference[0] == "b"]


def marked(story: Story) -> tuple[int, NodeId]:
    """A story in which partitions are on their way from a to b since 106."""
    story.up("a")
    story.settled(100)
    story.up("b")
    story.until(105, start=100)
    action = story.actions_at(106.1)[0]
    assert isinstance(action, UpdatePreference)
    assert action.record.handoff_to is not None
    return action.record.partition, action.record.handoff_to


def test_a_node_that_leaves_is_handed_nothing(story: Story) -> None:
    p, target = marked(story)
    story.leaving(target)
    assert f"partition {p} is not handed to b: that node is leaving" in story.at(107)
    assert story.until(120, start=107.25) == []


def test_a_handoff_to_a_node_that_died_is_withdrawn(story: Story) -> None:
    p, target = marked(story)
    story.down(target)
    assert f"partition {p} is not handed to b: that node is down" in story.at(107)
    assert all(held.record.handoff_to is None for held in story.view.partitions.values())
    assert story.until(120, start=107.25) == []


def test_a_handoff_whose_target_took_the_partition_anyway_is_cleared(story: Story) -> None:
    p, _ = marked(story)
    story.taken(p, "b")
    # As a node of an older release might leave it.
    clear = ClearHandoff(story.view.partitions[PartitionId(p)], "it is there already")
    story._put(MarkHandoff(clear.held, NodeId("b")).record)
    assert f"partition {p} is not handed to b: it is there already" in story.at(107)


def test_a_handoff_that_does_not_come_about_is_withdrawn_and_tried_again(story: Story) -> None:
    p, _ = marked(story)
    assert story.until(135.75, start=106.25) == []
    told = story.until(138, start=136)
    assert f"partition {p} is not handed to b: it has not come about within 30 s" in told
    assert f"partition {p} shall move from a to b" in told


def test_a_handoff_waits_for_a_primary_that_died(story: Story) -> None:
    p, _ = marked(story)
    story.down("a")
    assert story.until(145, start=106.25) == []
    assert story.record(p).handoff_to == "b"


def test_a_new_order_ends_a_handoff_that_it_does_not_want(story: Story) -> None:
    p, target = marked(story)
    story.up(target, weight=0)
    told = story.until(109, start=106.25)
    assert "node b now has weight 0 in no zone, as it registered" in told
    assert f"partition {p} is not handed to b: the ring wants it elsewhere" in told or any(
        it == f"partition {p} is now wanted on a; its handoff to b ends" for it in told
    )
    assert story.record(p).handoff_to is None
    assert story.record(p).preference == ("a",)


def test_no_more_is_written_in_a_round_than_the_bound(story: Story) -> None:
    story.config(partition_count=4096)
    story.up("a")
    story.at(0)
    story.at(1)
    assert len(story.at(2)) == story.settings.writes_per_round_max
    assert len(story.at(2.1)) == 4096 - story.settings.writes_per_round_max
    assert story.at(2.2) == []


@pytest.mark.parametrize("replica_count", [0, 1])
def test_a_plan_changes_nothing_that_nodes_write(story: Story, replica_count: int) -> None:
    story.config(replica_count=replica_count)
    story.up("a")
    story.settled(100)
    before = {p: story.record(p) for p in range(4)}
    story.up("b")
    story.until(107, start=100)
    for p, old in before.items():
        new = story.record(p)
        assert new.preference != old.preference
        assert len(new.replicas) == replica_count
        assert (new.epoch, new.primary, new.primary_incarnation, new.in_sync) == (
            old.epoch,
            old.primary,
            old.primary_incarnation,
            old.in_sync,
        )
