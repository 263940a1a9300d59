"""Which deadlines reach the data plane."""

from __future__ import annotations

import pytest

from shoal_coordinator.registry.port import LeaseId
from shoal_node.fence import Fence

ONE, TWO = LeaseId(1), LeaseId(2)


class Clock:
    now_ns = 50


@pytest.fixture
def deadlines() -> list[int]:
    return []


@pytest.fixture
def fence(deadlines: list[int]) -> Fence:
    return Fence(deadlines.append, lambda: Clock.now_ns)


def test_a_new_leases_deadline_waits_until_the_fence_is_lifted(
    fence: Fence, deadlines: list[int]
) -> None:
    fence.begin(ONE)
    fence.renewed(ONE, 100)
    assert deadlines == [0]
    assert fence.lift(ONE)
    assert deadlines == [0, 100]


def test_once_lifted_renewals_go_straight_through(fence: Fence, deadlines: list[int]) -> None:
    fence.begin(ONE)
    fence.lift(ONE)
    fence.renewed(ONE, 100)
    fence.renewed(ONE, 200)
    assert deadlines == [0, 0, 100, 200]


def test_a_deadline_never_falls_but_by_the_fence(fence: Fence, deadlines: list[int]) -> None:
    fence.begin(ONE)
    fence.lift(ONE)
    fence.renewed(ONE, 200)
    fence.renewed(ONE, 100)
    assert deadlines[-1] == 200
    fence.fall()
    assert deadlines[-1] == 0


def test_a_late_renewal_of_an_older_lease_changes_nothing(
    fence: Fence, deadlines: list[int]
) -> None:
    fence.begin(ONE)
    fence.lift(ONE)
    fence.begin(TWO)
    fence.renewed(ONE, 300)
    assert not fence.lift(ONE)
    assert deadlines[-1] == 0
    fence.fall(ONE)
    fence.renewed(TWO, 400)
    assert fence.lift(TWO)
    assert deadlines[-1] == 400


def test_after_it_fell_nothing_lifts_it_but_a_new_lease(fence: Fence, deadlines: list[int]) -> None:
    fence.begin(ONE)
    fence.lift(ONE)
    fence.renewed(ONE, 100)
    fence.fall(ONE)
    fence.renewed(ONE, 200)
    assert not fence.lift(ONE)
    assert deadlines[-1] == 0


def test_when_etcd_was_last_heard_outlives_the_lease(fence: Fence) -> None:
    assert fence.times().sent_ns == ()
    fence.begin(ONE)
    fence.confirmed(70)
    fence.confirmed(60)
    fence.fall()
    assert fence.times().sent_ns == (70,)


def test_it_tells_which_calls_are_new(fence: Fence) -> None:
    assert fence.sent_after(0) == []
    for sent_ns in (70, 80, 90):
        fence.confirmed(sent_ns)
    assert fence.sent_after(69) == [70, 80, 90]
    assert fence.sent_after(70) == [80, 90]
    assert fence.sent_after(90) == []


def test_its_times_are_what_metrics_show(fence: Fence) -> None:
    assert fence.times().age_seconds(10**9) == 0
    fence.begin(ONE)
    fence.renewed(ONE, 3 * 10**9)
    times = fence.times()
    assert times.age_seconds(50 + 10**9) == 1
    assert times.remaining_seconds(10**9) == 2
    assert times.remaining_seconds(4 * 10**9) == 0
