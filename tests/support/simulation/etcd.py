"""Etcd with its faults, and one process's connection to it.

What was sent reaches etcd even when its sender is dead or paused by then. A stalled etcd
serves what came meanwhile when it goes on; one that is down refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cache

from shoal_coordinator.registry.apply import apply, view_of
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Compacted,
    Guard,
    Lease,
    LeaseId,
    LeaseLost,
    OutcomeUnknown,
    Reading,
    StoreError,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import Incarnation, PartitionId, PartitionRecord
from shoal_coordinator.registry.upkeep import Schedule, UpkeepCallbacks, UpkeepSettings
from shoal_coordinator.registry.view import ClusterView
from simulation.coroutines import Sleep, Task
from simulation.events import SECOND_US, WORLD, Events
from simulation.host import Host
from watched_etcd import KEYS, WatchedEtcd

CALL_US = 1.0 * SECOND_US
_TICK_US = 50_000


@cache
def _key_of(partition: int) -> str:
    return KEYS.partition(PartitionId(partition))


class SimulatedEtcd(WatchedEtcd):
    """The store. ``view`` is what a reader of all of it would see now."""

    def __init__(self, events: Events, broken: list[str]) -> None:
        super().__init__(events.now_ns, broken)
        self.events = events
        self.stalled_until_us = 0
        self.down_until_us = 0
        self._view = view_of(KEYS, self.read(KEYS.prefix)).view
        self._tick()

    @property
    def is_down(self) -> bool:
        return self.events.now_us < self.down_until_us

    def record(self, partition: int) -> PartitionRecord:
        return self._records[_key_of(partition)]

    def view(self) -> ClusterView:
        if self.revision == self._view.revision:
            return self._view
        try:
            happened = self.events_after(KEYS.prefix, self._view.revision)
            self._view = apply(self._view, happened).view
        except Compacted:
            self._view = view_of(KEYS, self.read(KEYS.prefix), self._view).view
        return self._view

    def _tick(self) -> None:
        # Leases run out although nobody asks for them.
        assert self.revision
        self.events.after(_TICK_US, WORLD, self._tick)


class Call:
    """A call to etcd, awaited. ``lost`` is raised when no answer comes in time."""

    def __init__(
        self,
        etcd: SimulatedEtcd,
        serve: Callable[[], object],
        lost: type[StoreError],
        within_us: float = CALL_US,
    ) -> None:
        self._etcd = etcd
        self._serve = serve
        self._lost = lost
        self._within_us = within_us

    def __await__(self) -> Generator[Call, object, object]:
        return (yield self)

    def begin(self, task: Task, turn: int) -> None:
        host = task.host
        if host.is_cut:
            host.after(50_000, task.step, turn, None, StoreUnavailable("cut off"))
            return
        self._until_us = host.events.now_us + int(self._within_us)
        if host.loses():
            self._never(task, turn)
        else:
            host.events.after(host.delay_us(), WORLD, self._arrive, task, turn)

    def _never(self, task: Task, turn: int) -> None:
        left_us = max(0, self._until_us - task.host.events.now_us)
        lost = self._lost("no answer in time")
        task.host.events.after(left_us, task.host, task.step, turn, None, lost)

    def _arrive(self, task: Task, turn: int) -> None:
        host, events = task.host, task.host.events
        waits_us = self._etcd.stalled_until_us - events.now_us
        if waits_us > 0:
            self._never(task, turn)
            events.after(waits_us + host.delay_us(), WORLD, self._arrive, task, turn)
            return
        value: object = None
        error: StoreError | None = None
        if self._etcd.is_down:
            error = StoreUnavailable("etcd is down")
        else:
            try:
                value = self._serve()
            except LeaseLost as lost:
                error = lost
        delay_us = host.delay_us()
        if host.loses() or host.is_cut or host.is_deaf or events.now_us + delay_us > self._until_us:
            self._never(task, turn)
        else:
            events.after(delay_us, host, task.step, turn, value, error)


class Connection:
    """A ``Store`` but for its watch, of one process."""

    def __init__(
        self,
        etcd: SimulatedEtcd,
        who: Incarnation | None,
        keeps: Callable[[Sequence[Guard], Sequence[Change]], Sequence[Guard]],
    ) -> None:
        self._etcd = etcd
        self._who = who
        self._keeps = keeps

    async def read(self, prefix: str) -> Reading:
        reading = await Call(self._etcd, lambda: self._etcd.read(prefix), StoreUnavailable)
        assert isinstance(reading, Reading)
        return reading

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        kept = self._keeps(guards, changes)
        committed = await Call(
            self._etcd,
            lambda: self._etcd.commit_by(self._who, kept, changes, on_loss_read),
            OutcomeUnknown,
        )
        assert isinstance(committed, Committed)
        if not committed.won and len(kept) != len(guards):
            # A mutant must not be noticed by a check that is not under test.
            raise StoreUnavailable("lost")
        return committed

    async def grant_lease(self, ttl_seconds: int) -> Lease:
        lease = await Call(self._etcd, lambda: self._etcd.grant(ttl_seconds), StoreUnavailable)
        assert isinstance(lease, Lease)
        return lease

    async def revoke_lease(self, lease: LeaseId) -> None:
        await Call(self._etcd, lambda: self._etcd.revoke(lease), StoreUnavailable)


class Watch:
    """Tells a process of new views, late, and of the newest when it lagged."""

    def __init__(self, host: Host, etcd: SimulatedEtcd, saw: Callable[[ClusterView], None]) -> None:
        self._host = host
        self._etcd = etcd
        self._saw = saw
        self._is_on_its_way = False
        self.stop = etcd.listen(self._send)
        self._send()

    def _send(self) -> None:
        if not self._is_on_its_way:
            self._is_on_its_way = True
            self._host.events.after(
                self._host.delay_us(), self._host, self._arrive, self._etcd.view()
            )

    def _arrive(self, view: ClusterView) -> None:
        host, now_us = self._host, self._host.events.now_us
        etcd = self._etcd
        away_until_us = max(
            host.cut_until_us, host.deaf_until_us, etcd.down_until_us, etcd.stalled_until_us
        )
        away_us = away_until_us - now_us
        if away_us > 0:
            # Cut meanwhile: it is listed again.
            host.events.after(away_us + host.delay_us(), host, self._arrive, None)
            return
        if view is None:
            view = etcd.view()
        self._is_on_its_way = False
        self._saw(view)
        if etcd.revision > view.revision:
            self._send()


class Keeper(Host):
    """The thread that renews leases: of its process, and it may stall alone."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.events, host.name, host.rng)
        self._host = host
        self.stalled_until_us = 0
        self.is_stopped = False
        self._rate, self._offset_us = host._rate, host._offset_us

    # An owner as its process is one.
    @property
    def is_alive(self) -> bool:
        return self._host.is_alive and not self.is_stopped

    @is_alive.setter
    def is_alive(self, is_alive: bool) -> None:
        assert is_alive

    @property
    def paused_until_us(self) -> int:
        paused_us, stalled_us = self._host.paused_until_us, self.stalled_until_us
        return max(stalled_us, paused_us)

    @paused_until_us.setter
    def paused_until_us(self, until_us: int) -> None:
        self.stalled_until_us = until_us

    @property
    def is_cut(self) -> bool:
        return self._host.is_cut

    @property
    def is_deaf(self) -> bool:
        return self._host.is_deaf

    def delay_us(self) -> float:
        return self._host.delay_us()

    def loses(self) -> bool:
        return self._host.loses()


class Upkeep:
    """Renews one lease by the real schedule, in a thread of its own."""

    def __init__(
        self,
        host: Host,
        etcd: SimulatedEtcd,
        lease: Lease,
        granted_ns: int,
        callbacks: UpkeepCallbacks,
        settings: UpkeepSettings,
        counts_from_answer: bool = False,
    ) -> None:
        self.keeper = Keeper(host)
        self.stalls_at_next_us = 0
        """For so long it stalls right after its next keepalive is sent."""
        self._etcd = etcd
        self._lease = lease
        self._callbacks = callbacks
        self._counts_from_answer = counts_from_answer
        self._granted_ns = granted_ns
        self._schedule = Schedule.granted(settings, granted_ns, lease.ttl_seconds)

    def start(self) -> None:
        self._callbacks.renewed(self._schedule.deadline_ns)
        self._callbacks.confirmed(self._granted_ns)
        Task(self.keeper, self._run())

    def stop(self) -> None:
        self.keeper.is_stopped = True

    async def _run(self) -> None:
        keeper, etcd, lease = self.keeper, self._etcd, self._lease.id
        while True:
            await Sleep(self._schedule.wait_seconds(keeper.now_ns()) * SECOND_US)
            if not self._callbacks.may_renew():
                self._schedule = self._schedule.held_back(keeper.now_ns())
                continue
            sent_ns = keeper.now_ns()
            within_us = self._schedule.timeout_seconds() * SECOND_US
            if self.stalls_at_next_us:
                keeper.stalled_until_us = keeper.events.now_us + self.stalls_at_next_us
                self.stalls_at_next_us = 0
            try:
                ttl_seconds = await Call(
                    etcd, lambda: etcd.keep_alive(lease), StoreUnavailable, within_us
                )
            except LeaseLost as lost:
                self._callbacks.lost(lost)
                return
            except StoreUnavailable:
                self._schedule = self._schedule.failed(keeper.now_ns())
                continue
            assert isinstance(ttl_seconds, int)
            counted_ns = keeper.now_ns() if self._counts_from_answer else sent_ns
            self._schedule = self._schedule.renewed(counted_ns, ttl_seconds)
            self._callbacks.renewed(self._schedule.deadline_ns)
            self._callbacks.confirmed(sent_ns)
