"""A lease kept from a thread: the schedule by itself, and the thread on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.port import Lease, LeaseId, LeaseLost, StoreUnavailable
from shoal_coordinator.registry.upkeep import (
    LeaseUpkeep,
    Schedule,
    UpkeepCallbacks,
    UpkeepSettings,
    boottime_ns,
    deadline_ns,
)

# A busy machine is no failure.
CALM = settings(suppress_health_check=[HealthCheck.too_slow])

SECOND_NS = 1_000_000_000
SETTINGS = UpkeepSettings(margin_seconds=0.3, retry_seconds=0.1, gate_seconds=0.05)


def test_a_granted_lease_is_trusted_from_before_it_was_asked_for() -> None:
    schedule = Schedule.granted(SETTINGS, sent_ns=10 * SECOND_NS, ttl_seconds=3)
    assert schedule.deadline_ns == round(12.7 * SECOND_NS)
    assert schedule.next_ns == 11 * SECOND_NS
    assert schedule.deadline_ns == deadline_ns(10 * SECOND_NS, 3, SETTINGS)
    assert schedule.wait_seconds(10 * SECOND_NS) == 1.0
    assert schedule.wait_seconds(20 * SECOND_NS) == 0.0


def test_a_renewal_moves_the_deadline_and_forgets_failures() -> None:
    schedule = Schedule.granted(SETTINGS, 0, 3).failed(SECOND_NS)
    assert schedule.failures == 1
    assert schedule.deadline_ns == round(2.7 * SECOND_NS)
    assert schedule.next_ns == round(1.1 * SECOND_NS)
    renewed = schedule.renewed(sent_ns=2 * SECOND_NS, ttl_seconds=3)
    assert renewed.failures == 0
    assert renewed.deadline_ns == round(4.7 * SECOND_NS)
    assert renewed.next_ns == 3 * SECOND_NS


def test_of_many_failures_in_a_row_ever_fewer_are_news() -> None:
    schedule = Schedule.granted(SETTINGS, 0, 3)
    assert not schedule.failure_is_news
    news = []
    for _ in range(100):
        schedule = schedule.failed(SECOND_NS)
        if schedule.failure_is_news:
            news.append(schedule.failures)
    assert news == [1, 2, 4, 8, 16, 32, 64]
    assert not schedule.renewed(2 * SECOND_NS, 3).failure_is_news


def test_a_gate_that_says_no_is_asked_again_soon() -> None:
    schedule = Schedule.granted(SETTINGS, 0, 3).held_back(SECOND_NS)
    assert schedule.next_ns == round(1.05 * SECOND_NS)
    assert schedule.deadline_ns == round(2.7 * SECOND_NS)


@CALM
@given(
    ttl_seconds=st.integers(1, 60),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 2 * SECOND_NS)), max_size=30),
)
def test_the_deadline_never_falls_and_is_never_past_the_stores(
    ttl_seconds: int, steps: list[tuple[bool, int]]
) -> None:
    now = sent = 0
    schedule = Schedule.granted(SETTINGS, now, ttl_seconds)
    for renewed, passes_ns in steps:
        before = schedule.deadline_ns
        now += passes_ns
        if renewed:
            sent = now
            schedule = schedule.renewed(sent, ttl_seconds)
        else:
            schedule = schedule.failed(now)
        assert schedule.deadline_ns >= before
        assert schedule.deadline_ns < sent + ttl_seconds * SECOND_NS
        assert schedule.timeout_seconds() <= ttl_seconds / 3


@pytest.mark.parametrize(
    ("settings", "ttl_seconds"),
    [
        (UpkeepSettings(margin_seconds=1.5), 3),
        (UpkeepSettings(margin_seconds=0.0), 3),
        (UpkeepSettings(retry_seconds=1.0), 3),
    ],
)
def test_settings_that_cannot_keep_the_lease_are_refused(
    settings: UpkeepSettings, ttl_seconds: int
) -> None:
    with pytest.raises(ValueError, match="take"):
        settings.check(ttl_seconds)


class Holder:
    """Remembers what it is told; says whether it is well."""

    def __init__(self) -> None:
        self.well = True
        self.times_asked = 0
        self.deadlines: list[int] = []
        self.losses: list[LeaseLost] = []
        self.sent: list[int] = []
        self.changed = threading.Condition()

    def callbacks(self) -> UpkeepCallbacks:
        return UpkeepCallbacks(self._may_renew, self._renewed, self._lost, self._confirmed)

    def _confirmed(self, sent_ns: int) -> None:
        with self.changed:
            self.sent.append(sent_ns)
            self.changed.notify_all()

    def _may_renew(self) -> bool:
        with self.changed:
            self.times_asked += 1
            self.changed.notify_all()
        return self.well

    def _renewed(self, deadline: int) -> None:
        with self.changed:
            self.deadlines.append(deadline)
            self.changed.notify_all()

    def _lost(self, lost: LeaseLost) -> None:
        with self.changed:
            self.losses.append(lost)
            self.changed.notify_all()

    def wait_for(self, state: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(state, timeout=10.0)


class Keeper:
    """Answers as it is told to, and remembers when it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.failing: StoreUnavailable | LeaseLost | None = None
        self.closed = False

    def keep_alive(self, lease: LeaseId, timeout_seconds: float) -> int:
        self.asked.append(boottime_ns())
        if self.failing is not None:
            raise self.failing
        return 1

    def close(self) -> None:
        self.closed = True


def upkeep_of(keeper: Keeper, holder: Holder) -> LeaseUpkeep:
    return LeaseUpkeep(keeper, Lease(LeaseId(7), 1), boottime_ns(), holder.callbacks(), SETTINGS)


def test_the_holder_is_told_each_deadline() -> None:
    keeper, holder = Keeper(), Holder()
    upkeep = upkeep_of(keeper, holder)
    upkeep.start()
    holder.wait_for(lambda: len(holder.deadlines) >= 3)
    upkeep.stop()
    assert keeper.closed
    assert not upkeep.alive
    assert holder.deadlines == sorted(holder.deadlines)
    # Told before the first renewal, and counted from before each was sent.
    for asked, told in zip(keeper.asked, holder.deadlines[1:], strict=False):
        assert told <= asked + round(0.7 * SECOND_NS)
    assert not holder.losses


def test_the_holder_is_told_when_each_confirmed_renewal_was_sent() -> None:
    keeper, holder = Keeper(), Holder()
    keeper.failing = StoreUnavailable("away")
    granted_ns = boottime_ns()
    upkeep = LeaseUpkeep(keeper, Lease(LeaseId(7), 1), granted_ns, holder.callbacks(), SETTINGS)
    upkeep.start()
    holder.wait_for(lambda: len(keeper.asked) >= 2)
    assert holder.sent == [granted_ns], "nothing else is confirmed yet"
    keeper.failing = None
    holder.wait_for(lambda: len(holder.sent) >= 2)
    upkeep.stop()
    assert granted_ns < holder.sent[1] <= keeper.asked[-1]


def test_a_holder_that_is_not_well_is_not_renewed() -> None:
    keeper, holder = Keeper(), Holder()
    holder.well = False
    upkeep = upkeep_of(keeper, holder)
    upkeep.start()
    holder.wait_for(lambda: holder.times_asked >= 5)
    assert keeper.asked == []
    holder.well = True
    holder.wait_for(lambda: len(holder.deadlines) >= 2)
    upkeep.stop()
    assert keeper.asked


def test_a_renewal_that_failed_is_repeated_soon(eventually) -> None:
    keeper, holder = Keeper(), Holder()
    keeper.failing = StoreUnavailable("away")
    upkeep = upkeep_of(keeper, holder)
    upkeep.start()
    eventually(lambda: len(keeper.asked) >= 4, what="four renewals tried")
    keeper.failing = None
    holder.wait_for(lambda: len(holder.deadlines) >= 2)
    upkeep.stop()
    first, second, third = keeper.asked[:3]
    assert max(second - first, third - second) < SECOND_NS / 3
    assert upkeep.deadline_ns == holder.deadlines[-1]
    assert not holder.losses


def test_a_lease_that_is_gone_is_told_once_and_ends_it() -> None:
    keeper, holder = Keeper(), Holder()
    keeper.failing = LeaseLost("gone")
    upkeep = upkeep_of(keeper, holder)
    upkeep.start()
    holder.wait_for(lambda: bool(holder.losses))
    upkeep.stop()
    assert len(holder.losses) == 1
    assert not upkeep.alive


async def test_it_keeps_a_lease_of_a_store() -> None:
    store = MemoryStore(MemoryEtcd(clock_ns=time.monotonic_ns))
    granted_ns = boottime_ns()
    lease = await store.grant_lease(1)
    holder = Holder()
    upkeep = LeaseUpkeep(store.lease_keeper(), lease, granted_ns, holder.callbacks(), SETTINGS)
    upkeep.start()
    # A stalled event loop: five renewals are more than the lease's TTL.
    holder.wait_for(lambda: len(holder.deadlines) >= 6)
    upkeep.stop()
    assert not holder.losses
    assert store.lease_keeper().keep_alive(lease.id, 1.0) == 1
