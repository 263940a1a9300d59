"""For how long it goes on: from what was measured, and unknown where nothing was."""

from __future__ import annotations

import pytest

from shoal_coordinator.rebalance.outlook import CopyDue, HandOverDue, Outlook
from shoal_coordinator.rebalance.pace import Done, Pace, bytes_left, seconds_left
from shoal_coordinator.registry.records import Incarnation, NodeId, PartitionId
from shoal_coordinator.survey.figures import NodeFigures, Survey

A, B = NodeId("a"), NodeId("b")


def left(copies: int, hand_overs: int = 0) -> Outlook:
    due = {(PartitionId(p), B): CopyDue(A, is_repair=False) for p in range(copies)}
    handed = {PartitionId(p): HandOverDue(A, B) for p in range(hand_overs)}
    return Outlook(due, handed, {}, {}, {})


def paced(*done: tuple[float, int, int, int]) -> Pace:
    pace = Pace()
    for it in done:
        pace = pace.and_then(Done(*it))
    return pace


def test_bytes_left_are_what_the_missing_copies_hold() -> None:
    figures = NodeFigures(
        Incarnation("a"), memory_bytes=900, partitions=3, partition_memory_bytes={0: 100, 1: 50}
    )
    told = Survey(0.0, {A: figures})
    assert bytes_left(left(2), told) == 150
    assert bytes_left(left(3), told) == 450, "of what is not told a usual share"
    assert bytes_left(left(0), told) == 0
    assert bytes_left(left(1), Survey(0.0)) is None
    assert bytes_left(left(1), None) is None


@pytest.mark.parametrize(
    ("outlook", "pace", "seconds"),
    [
        pytest.param(left(0), paced(), 0.0, id="nothing is left"),
        pytest.param(left(5), paced(), None, id="nothing was measured"),
        pytest.param(left(5), paced((0, 0, 0, 0), (2, 99, 1, 0)), None, id="too short a time"),
        pytest.param(left(5), paced((0, 0, 0, 0), (10, 0, 0, 0)), None, id="nothing moved"),
        pytest.param(left(5), paced((0, 0, 0, 0), (10, 100, 0, 0)), 100.0, id="by bytes"),
        pytest.param(left(5), paced((0, 0, 0, 0), (10, 1000, 1, 0)), 50.0, id="by copies"),
        pytest.param(left(0, 3), paced((0, 0, 0, 0), (10, 0, 0, 5)), 6.0, id="hand-overs"),
        pytest.param(left(0, 3), paced((0, 0, 0, 0), (10, 9, 9, 0)), None, id="none handed over"),
        pytest.param(left(5, 3), paced((0, 0, 0, 0), (10, 100, 5, 0)), 100.0, id="copies first"),
    ],
)
def test_the_time_left(outlook: Outlook, pace: Pace, seconds: float | None) -> None:
    assert seconds_left(outlook, 1000, pace) == seconds


def test_a_rate_is_that_of_the_last_minute() -> None:
    pace = paced((0, 0, 0, 0), (100, 100_000, 0, 0), (130, 100_300, 0, 0), (160, 100_600, 0, 0))
    assert pace.rate("snapshot_bytes") == 10
