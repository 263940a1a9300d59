from __future__ import annotations

from shoal.demo.events import Awaited, Event, EventKind, Schedule, Scheduled

SECOND = 1_000_000_000
SALE = EventKind.SALE_STARTS


def test_each_entry_runs_once_and_in_order() -> None:
    acts: list[str] = []
    schedule = Schedule(
        [
            Scheduled(2.0, SALE, "later", lambda: acts.append("later")),
            Scheduled(1.0, SALE, "sooner", lambda: acts.append("sooner")),
        ],
        begin_ns=10 * SECOND,
    )
    assert schedule.run_due(10 * SECOND) == []
    assert [event.label for event in schedule.run_due(13 * SECOND)] == ["sooner", "later"]
    assert schedule.run_due(99 * SECOND) == []
    assert acts == ["sooner", "later"]


def test_an_action_may_tell_what_it_happened_to() -> None:
    kill = EventKind.NODE_KILLED
    schedule = Schedule([Scheduled(1.0, kill, "kill -9 {}", lambda: "node-2")], begin_ns=0)
    assert schedule.run_due(SECOND) == [Event(kill, SECOND, "kill -9 node-2", "node-2")]


def test_what_happens_by_itself_is_marked_when_it_was_due() -> None:
    schedule = Schedule([Scheduled(1.0, SALE, "sale starts")], begin_ns=0)
    assert schedule.run_due(SECOND + 70) == [Event(SALE, SECOND, "sale starts")]


def test_an_action_is_marked_when_it_was_done() -> None:
    schedule = Schedule([Scheduled(1.0, SALE, "kill", lambda: None)], begin_ns=0)
    assert schedule.run_due(SECOND + 70) == [Event(SALE, SECOND + 70, "kill")]


def test_what_is_awaited_is_noted_once_and_not_before_its_cause() -> None:
    added, settled = EventKind.NODE_ADDED, EventKind.NODE_SETTLED
    came: list[str | None] = ["node-4", None, "node-4", "node-4"]
    awaited = Awaited(added, settled, "{} has its share", lambda: came.pop(0))
    schedule = Schedule(
        [Scheduled(2.0, added, "{} joins", lambda: "node-4")], [awaited], begin_ns=0
    )
    assert schedule.run_due(SECOND) == []
    assert len(came) == 4
    came.pop(0)
    assert schedule.run_due(2 * SECOND) == [Event(added, 2 * SECOND, "node-4 joins", "node-4")]
    assert schedule.run_due(3 * SECOND) == []
    assert schedule.run_due(4 * SECOND) == [
        Event(settled, 4 * SECOND, "node-4 has its share", "node-4")
    ]
    assert schedule.run_due(5 * SECOND) == []
