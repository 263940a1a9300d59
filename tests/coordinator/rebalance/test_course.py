"""A rebalance from its first outlook to its report, told as a story."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from planning_story import Story
from shoal_coordinator.planning.dues import dues_of
from shoal_coordinator.planning.recorded import wanted_next
from shoal_coordinator.rebalance.course import (
    MOVES_TOLD_MAX,
    Course,
    begun,
    carried_on,
    ended,
    surveyed,
    went_on,
)
from shoal_coordinator.rebalance.outlook import CopyDue, Outlook, outlook
from shoal_coordinator.registry.records import (
    Incarnation,
    MemberState,
    NodeId,
    PartitionId,
)
from shoal_coordinator.registry.reports import MoveKind, NodeTraffic, Outcome, RebalanceReport
from shoal_coordinator.survey.figures import NodeFigures, Survey

A, B, C = map(NodeId, "abc")


def seen(story: Story) -> Outlook:
    view = story.view
    assert view.config is not None
    wanted = wanted_next(view, view.config, story.memory.ring or ())
    return outlook(view, wanted, dues_of(view, wanted))


def drained() -> tuple[Story, Course]:
    """Three nodes with two copies of 16 partitions; a is being drained, nothing moves yet."""
    story = Story()
    story.config(replica_count=1, partition_count=16)
    story.up("a", "b", "c")
    story.settled(200)
    assert not seen(story).has_moves
    gone = replace(story.view.members[A], state=MemberState.DRAINING)
    story.view = replace(story.view, members={**story.view.members, A: gone})
    story.at(201)
    return story, begun(1, seen(story), 1_000, 201_000)


def test_a_drain_is_told_from_its_first_move_to_its_last() -> None:
    story, course = drained()
    had = sum("a" in held.record.preference[:2] for held in story.view.partitions.values())
    served = sum(held.record.primary.node == "a" for held in story.view.partitions.values())  # type: ignore[union-attr]
    assert len(course.outlook.copies) == had
    assert len(course.outlook.hand_overs) == served
    now = 201.0
    while course.outlook.has_moves:
        now += 0.5
        story.at(now)
        course = went_on(course, seen(story), round(now * 1000))
        story.caught_up()
        for partition, held in story.view.partitions.items():
            if held.record.handoff_to is not None:
                story.taken(partition, held.record.handoff_to)
                story.caught_up()
        course = went_on(course, seen(story), round(now * 1000) + 250)
        assert now < 400
    report = ended(course, Outcome.DONE, 9_000)
    assert (report.copies, report.repairs) == (had, 0)
    # One that is out of the list once its copy moved is handed over by the same write.
    assert report.hand_overs == served
    assert len(report.moves) == had + served
    assert {move.kind for move in report.moves} == {MoveKind.COPY, MoveKind.HAND_OVER}
    received = {it.node: it.copies_received for it in report.nodes}
    assert sum(received.values()) == had
    assert received.get(A, 0) == 0
    assert {it.node: it.hand_overs_given for it in report.nodes}[A] == served
    assert all(0 <= move.took_ms <= 200_000 for move in report.moves)


def test_a_copy_of_which_the_plan_is_another_now_is_no_move() -> None:
    due = {(PartitionId(1), B): CopyDue(A, is_repair=False)}
    before = Outlook(due, {}, {}, {PartitionId(1): frozenset({A})}, {PartitionId(1): A})
    changed = replace(before, copies={})
    assert went_on(begun(1, before, 0, 0), changed, 5).report.copies == 0
    there = replace(changed, there_of={PartitionId(1): frozenset({A, B})})
    assert went_on(begun(1, before, 0, 0), there, 5).report.copies == 1


def test_repairs_are_told_apart() -> None:
    due = {(PartitionId(1), B): CopyDue(A, is_repair=True)}
    before = Outlook(due, {}, {}, {}, {})
    after = Outlook({}, {}, {}, {PartitionId(1): frozenset({A, B})}, {})
    report = went_on(begun(1, before, 0, 0), after, 5).report
    assert (report.copies, report.repairs) == (0, 1)
    assert not before.has_moves


def test_a_report_has_a_bound() -> None:
    many = {(PartitionId(p), B): CopyDue(A, is_repair=False) for p in range(1000)}
    there = {PartitionId(p): frozenset({A, B}) for p in range(1000)}
    course = went_on(
        begun(1, Outlook(many, {}, {}, {}, {}), 0, 0), Outlook({}, {}, {}, there, {}), 1
    )
    assert course.report.copies == 1000
    assert len(course.report.moves) == MOVES_TOLD_MAX


def test_another_leader_carries_on() -> None:
    story, course = drained()
    report = replace(course.report, copies=3, snapshot_bytes=7)
    taken = carried_on(report, seen(story), 0).report
    assert taken == replace(report, leaders=2)


def figures(node: str, sent: int, *, run: int = 1, slow: int = 0) -> NodeFigures:
    """``slow``: of 1000 requests for each thousand bytes sent, how many took long."""
    ends = ((0.001, 1000 - slow), (0.002, 1000))
    return NodeFigures(
        Incarnation(f"{node}-run{run}"), snapshot_bytes=sent, durations={"Get": ends}
    )


def survey(at: float, *silent: str, **nodes: NodeFigures) -> Survey:
    told = {NodeId(node): it for node, it in nodes.items()}
    return Survey(at, told, frozenset(map(NodeId, silent)))


def test_bytes_are_what_nodes_sent_meanwhile() -> None:
    course = Course(RebalanceReport(1, 0), Outlook({}, {}, {}, {}, {}))
    first = survey(0, "c", a=figures("a", 100), b=figures("b", 50))
    # a sends on, b has started anew, c was silent, and d is new.
    second = survey(
        2, a=figures("a", 175), b=figures("b", 20, run=2), c=figures("c", 900), d=figures("d", 5)
    )
    report = surveyed(course, first, second).report
    assert report.nodes == tuple(
        NodeTraffic(NodeId(node), snapshot_bytes_sent=sent)
        for node, sent in (("a", 75), ("b", 20), ("d", 5))
    )
    assert report.snapshot_bytes == 100


def test_the_worst_percentile_stands() -> None:
    course = Course(RebalanceReport(1, 0), Outlook({}, {}, {}, {}, {}))
    idle = NodeFigures(Incarnation("a-run1"))
    quick, slow = figures("a", 0), figures("a", 0, slow=20)
    for busy, worst in ((quick, 1_000_000), (slow, 2_000_000), (quick, 2_000_000)):
        course = surveyed(course, survey(0, a=idle), survey(2, a=busy))
        assert course.report.worst_p99 is not None
        assert course.report.worst_p99.at_most_ns == worst


@given(sent=st.lists(st.integers(0, 1000), min_size=2, max_size=10))
def test_bytes_add_up_to_what_was_sent(sent: list[int]) -> None:
    course = Course(RebalanceReport(1, 0), Outlook({}, {}, {}, {}, {}))
    totals = [sum(sent[: n + 1]) for n in range(len(sent))]
    for at, (one, next_) in enumerate(pairwise(totals)):
        course = surveyed(
            course, survey(at, a=figures("a", one)), survey(at + 1, a=figures("a", next_))
        )
    assert course.report.snapshot_bytes == totals[-1] - totals[0]
