"""Etcd as one process of a story reaches it, on an event loop in virtual time.

Calls take a millisecond each way, and so do views. A process may be cut off, and its data
path may be wedged; both end at a time that the story says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Events,
    Guard,
    Lease,
    LeaseId,
    LeaseKeeper,
    LeaseLost,
    OutcomeUnknown,
    Reading,
    Revision,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import Incarnation
from shoal_coordinator.registry.upkeep import Schedule, UpkeepCallbacks
from shoal_node.timing import timing_for
from virtual_time import VirtualLoop
from watched_etcd import WatchedEtcd

T = TypeVar("T")
CALL_SECONDS_MAX = 1.0
_DELAY_SECONDS = 0.001


@dataclass
class Link:
    """One process's way to etcd. Times of the loop's clock, in seconds."""

    loop: VirtualLoop
    cut_until: float = 0.0
    wedged_until: float = 0.0

    @property
    def is_cut(self) -> bool:
        return self.loop.time() < self.cut_until

    @property
    def is_well(self) -> bool:
        return self.loop.time() >= self.wedged_until

    async def delay(self) -> None:
        await asyncio.sleep(_DELAY_SECONDS)


@dataclass
class StoryStore:
    """A ``Store``. What was sent reaches etcd even when its sender is cut off by then."""

    etcd: WatchedEtcd
    link: Link
    who: Incarnation
    _sent: set[asyncio.Task[None]] = field(default_factory=set)

    async def read(self, prefix: str) -> Reading:
        return await self._call(lambda: self.etcd.read(prefix), StoreUnavailable)

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        return await self._call(
            lambda: self.etcd.commit_by(self.who, guards, changes, on_loss_read), OutcomeUnknown
        )

    async def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        changed = asyncio.Event()
        stop = self.etcd.listen(changed.set)
        try:
            while True:
                await changed.wait()
                changed.clear()
                await self.link.delay()
                while self.link.is_cut:
                    await asyncio.sleep(self.link.cut_until - self.link.loop.time())
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
        raise AssertionError("StoryUpkeep keeps leases")

    async def close(self) -> None:
        """Nothing is held."""

    async def _call(self, serve: Callable[[], T], lost: type[Exception]) -> T:
        if self.link.is_cut:
            await asyncio.sleep(0.05)
            raise StoreUnavailable("cut off")
        answer: asyncio.Future[T] = self.link.loop.create_future()
        sent = asyncio.create_task(self._serve(serve, answer))
        self._sent.add(sent)
        sent.add_done_callback(self._sent.discard)
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                return await answer
        except TimeoutError:
            raise lost("no answer in time") from None

    async def _serve(self, serve: Callable[[], T], answer: asyncio.Future[T]) -> None:
        await self.link.delay()
        result: T | LeaseLost
        try:
            result = serve()
        except LeaseLost as error:
            result = error
        if self.link.is_cut:
            return
        await self.link.delay()
        if answer.done():
            return
        if isinstance(result, LeaseLost):
            answer.set_exception(result)
        else:
            answer.set_result(result)


class StoryUpkeep:
    """Renews one lease by the real schedule, as a task."""

    def __init__(
        self,
        etcd: WatchedEtcd,
        link: Link,
        lease: Lease,
        granted_ns: int,
        callbacks: UpkeepCallbacks,
    ) -> None:
        self._etcd = etcd
        self._link = link
        self._lease = lease
        self._callbacks = callbacks
        self._granted_ns = granted_ns
        self._schedule = Schedule.granted(
            timing_for(lease.ttl_seconds).upkeep, granted_ns, lease.ttl_seconds
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._callbacks.renewed(self._schedule.deadline_ns)
        self._callbacks.confirmed(self._granted_ns)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        loop = self._link.loop
        while True:
            await asyncio.sleep(self._schedule.wait_seconds(loop.now_ns()))
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
            self._schedule = self._schedule.renewed(sent_ns, ttl_seconds)
            self._callbacks.renewed(self._schedule.deadline_ns)
            self._callbacks.confirmed(sent_ns)

    async def _keep_alive(self) -> int:
        await self._link.delay()
        if self._link.is_cut:
            await asyncio.sleep(0.1)
            raise StoreUnavailable("cut off")
        ttl_seconds = self._etcd.keep_alive(self._lease.id)
        await self._link.delay()
        return ttl_seconds
