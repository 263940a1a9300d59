"""Etcd over a bad network, and its watchful twin in memory, in virtual time.

``WatchedEtcd`` checks what must be true of every commit. ``SimulatedStore`` is one
process's connection to it: slow, cut, paused, losing requests and answers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from shoal_coordinator.registry.codec import decode_partition, decode_registration
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    CreatedAt,
    Events,
    Guard,
    Lease,
    LeaseId,
    LeaseKeeper,
    LeaseLost,
    OutcomeUnknown,
    Put,
    Reading,
    Revision,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import Incarnation, NodeId, PartitionRecord
from shoal_coordinator.registry.upkeep import Schedule, UpkeepCallbacks
from shoal_node.timing import timing_for
from virtual_time import VirtualLoop

T = TypeVar("T")
KEYS = Keys("sim")
CALL_SECONDS_MAX = 1.0


class Mutant(StrEnum):
    """A rule taken away, to see that its absence is noticed."""

    NONE = "none"
    DEADLINE_FROM_ANSWER = "the lease's deadline is counted from the keepalive's answer"
    OWN_KEY_NOT_COMPARED = "a take-over does not compare the node's own key"
    OLD_KEY_NOT_COMPARED = "a take-over does not compare the old primary's key"
    INCARNATION_IGNORED = "a record is read as naming a node, whatever its incarnation"
    FENCE_LIFTED_EARLY = "a new lease's deadline counts before what was lost is closed"
    NOTHING_FROZEN = "a hand-over does not freeze"
    JOINING_NOT_WAITED_FOR = "a write does not wait for a copy that is about to be in sync"
    NOTHING_DRAINED = "a hand-over does not wait until its target has everything"
    COPY_ID_KEPT = "a copy that begins from nothing keeps its id"
    SILENCE_NOT_CONFIRMED = "a primary that may be deaf itself leaves copies out as late"
    ABSENCE_COUNTED_BEFORE_RETURN = "who was missing before this node was back counts as lost"
    OUTSIDERS_TAKE_OVER = "a copy outside the in-sync set takes over with its data"


class WatchedEtcd(MemoryEtcd):
    """Says what is wrong with a commit of a partition's record."""

    def __init__(self, clock_ns: Callable[[], int], broken: list[str]) -> None:
        super().__init__(clock_ns)
        self.changed_record: Callable[
            [Incarnation | None, PartitionRecord, PartitionRecord], None
        ] = lambda _by, _old, _new: None
        self._broken = broken
        self._records: dict[str, PartitionRecord] = {}

    def commit_by(
        self,
        who: Incarnation | None,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        committed = self.commit(guards, changes, on_loss_read)
        if committed.won:
            for change in changes:
                if isinstance(change, Put) and "/partitions/" in change.key:
                    self._check(who, decode_partition(change.key, change.value), change.key)
        return committed

    def lose_all_leases(self) -> None:
        for lease in list(self._leases):
            self.revoke(lease)

    def incarnation_of(self, node: NodeId) -> Incarnation | None:
        items = [item for item in self.read(KEYS.node(node)).items if item.key == KEYS.node(node)]
        return decode_registration(items[0].key, items[0].value).incarnation if items else None

    def records(self) -> list[PartitionRecord]:
        return list(self._records.values())

    def _check(self, who: Incarnation | None, new: PartitionRecord, key: str) -> None:
        old = self._records.get(key)
        self._records[key] = new
        if old is not None and new.primary is not None:
            self.changed_record(who, old, new)
        if old is None or old.primary == new.primary:
            self._expect(old is None or old.epoch == new.epoch, f"{key}: epoch without change")
            return
        assert new.primary is not None
        self._expect(new.epoch == old.epoch + 1, f"{key}: epoch {old.epoch} to {new.epoch}")
        self._expect(
            self.incarnation_of(new.primary.node) == new.primary_incarnation,
            f"{key}: given to {new.primary.node}, which is not registered",
        )
        if old.primary is not None and who != old.primary_incarnation:
            self._expect(
                self.incarnation_of(old.primary.node) != old.primary_incarnation,
                f"{key}: taken from {old.primary.node}, which is registered",
            )

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._broken.append(what)


@dataclass
class Network:
    """How the world treats one process. Times of the loop's clock."""

    loop: VirtualLoop
    rng: random.Random
    loss: float = 0.0
    slow: float = 0.0
    cut_until: float = 0.0
    paused_until: float = 0.0
    keeper_paused_until: float = 0.0
    wedged_until: float = 0.0
    deaf_until: float = 0.0
    """Hears nobody, and is heard by etcd."""
    lonely_until: float = 0.0
    """Reaches no other node, and none reaches it."""

    def heal(self) -> None:
        self.loss = self.slow = 0.0
        self.cut_until = self.paused_until = self.keeper_paused_until = self.wedged_until = 0.0
        self.lonely_until = self.deaf_until = 0.0

    @property
    def is_cut(self) -> bool:
        return self.loop.time() < self.cut_until

    @property
    def is_deaf(self) -> bool:
        return self.loop.time() < self.deaf_until

    @property
    def reaches_peers(self) -> bool:
        return self.loop.time() >= max(self.lonely_until, self.paused_until, self.deaf_until)

    @property
    def is_well(self) -> bool:
        return self.loop.time() >= self.wedged_until

    def delay(self) -> float:
        if self.rng.random() < self.slow:
            return self.rng.uniform(0.05, 1.2)
        return self.rng.uniform(0.0002, 0.003)

    def loses(self) -> bool:
        return self.rng.random() < self.loss

    async def unpaused(self) -> None:
        while self.loop.time() < self.paused_until:
            await asyncio.sleep(self.paused_until - self.loop.time())

    async def keeper_unpaused(self) -> None:
        while self.loop.time() < max(self.keeper_paused_until, self.paused_until):
            until = max(self.keeper_paused_until, self.paused_until)
            await asyncio.sleep(until - self.loop.time())


@dataclass
class SimulatedStore:
    """A ``Store``. What was sent reaches etcd even when its sender is dead by then."""

    etcd: WatchedEtcd
    network: Network
    who: Incarnation
    node: NodeId
    mutant: Mutant = Mutant.NONE
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, prefix: str) -> Reading:
        return await self._call(lambda: self.etcd.read(prefix), StoreUnavailable)

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        kept = self._without_what_the_mutant_drops(guards, changes)
        committed = await self._call(
            lambda: self.etcd.commit_by(self.who, kept, changes, on_loss_read), OutcomeUnknown
        )
        if not committed.won and kept != guards:
            # The mutant must not be noticed by a check that is not under test.
            raise StoreUnavailable("lost")
        return committed

    async def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        changed = asyncio.Event()
        stop = self.etcd.listen(changed.set)
        try:
            while True:
                await changed.wait()
                changed.clear()
                await asyncio.sleep(self.network.delay())
                await self.network.unpaused()
                while self.network.is_cut or self.network.is_deaf:
                    await asyncio.sleep(0.1)
                events = self.etcd.events_after(prefix, after)
                after = events.revision
                if events.events:
                    yield events
        finally:
            stop()

    async def grant_lease(self, ttl_seconds: int) -> Lease:
        return await self._call(lambda: self.etcd.grant(ttl_seconds), StoreUnavailable)

    async def revoke_lease(self, lease: LeaseId) -> None:
        await self._call(lambda: self.etcd.revoke(lease), StoreUnavailable)

    def lease_keeper(self) -> LeaseKeeper:
        raise AssertionError("SimulatedUpkeep keeps leases")

    async def close(self) -> None:
        """Nothing is held."""

    async def _call(self, serve: Callable[[], T], lost: type[Exception]) -> T:
        loop = self.network.loop
        await self.network.unpaused()
        if self.network.is_cut:
            await asyncio.sleep(0.05)
            raise StoreUnavailable("cut off")
        answer: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | LeaseLost) -> None:
            if answer.done():
                return
            if isinstance(result, LeaseLost):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        def arrive() -> None:
            try:
                result: T | LeaseLost = serve()
            except LeaseLost as error:
                result = error
            if not (self.network.loses() or self.network.is_cut or self.network.is_deaf):
                loop.call_later(self.network.delay(), deliver, result)

        if not self.network.loses():
            loop.call_later(self.network.delay(), arrive)
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                return await answer
        except TimeoutError:
            raise lost("no answer in time") from None
        finally:
            await self.network.unpaused()

    def _without_what_the_mutant_drops(
        self, guards: Sequence[Guard], changes: Sequence[Change]
    ) -> Sequence[Guard]:
        if not any("/partitions/" in change.key for change in changes):
            return guards
        own = KEYS.node(self.node)

        def is_dropped(guard: Guard) -> bool:
            if not isinstance(guard, CreatedAt):
                return False
            if guard.key == own:
                return self.mutant is Mutant.OWN_KEY_NOT_COMPARED
            return self.mutant is Mutant.OLD_KEY_NOT_COMPARED and guard.revision == 0

        return [guard for guard in guards if not is_dropped(guard)]


class SimulatedUpkeep:
    """Follows the real schedule as a task, over the simulated network."""

    def __init__(
        self,
        etcd: WatchedEtcd,
        network: Network,
        lease: Lease,
        granted_ns: int,
        callbacks: UpkeepCallbacks,
        mutant: Mutant,
    ) -> None:
        self._etcd = etcd
        self._network = network
        self._lease = lease
        self._callbacks = callbacks
        self._mutant = mutant
        settings = timing_for(lease.ttl_seconds).upkeep
        self._granted_ns = granted_ns
        self._schedule = Schedule.granted(settings, granted_ns, lease.ttl_seconds)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._callbacks.renewed(self._schedule.deadline_ns)
        self._callbacks.confirmed(self._granted_ns)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        network, loop = self._network, self._network.loop
        while True:
            await asyncio.sleep(self._schedule.wait_seconds(loop.now_ns()))
            await network.keeper_unpaused()
            if not self._callbacks.may_renew():
                self._schedule = self._schedule.held_back(loop.now_ns())
                continue
            sent_ns = loop.now_ns()
            try:
                async with asyncio.timeout(self._schedule.timeout_seconds()):
                    ttl_seconds = await self._keep_alive()
            except LeaseLost as lost:
                self._callbacks.lost(lost)
                return
            except (StoreUnavailable, TimeoutError):
                self._schedule = self._schedule.failed(loop.now_ns())
                continue
            await network.keeper_unpaused()
            counted_ns = loop.now_ns() if self._mutant is Mutant.DEADLINE_FROM_ANSWER else sent_ns
            self._schedule = self._schedule.renewed(counted_ns, ttl_seconds)
            self._callbacks.renewed(self._schedule.deadline_ns)
            self._callbacks.confirmed(sent_ns)

    async def _keep_alive(self) -> int:
        network = self._network
        await asyncio.sleep(network.delay())
        if network.is_cut or network.loses():
            await asyncio.sleep(0.1)
            raise StoreUnavailable("cut off")
        ttl_seconds = self._etcd.keep_alive(self._lease.id)
        if network.is_deaf:
            await asyncio.sleep(CALL_SECONDS_MAX)
            raise StoreUnavailable("not heard")
        await asyncio.sleep(network.delay())
        return ttl_seconds
