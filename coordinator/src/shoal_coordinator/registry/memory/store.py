"""One process's connection to a ``MemoryEtcd``, with faults to order.

Passes the same conformance suite as the store over etcd. The faults are those
that a process meets: calls that fail, answers that get lost, watches that are cut,
an etcd that is restored from a backup.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from enum import Enum

from shoal_coordinator.registry.memory.etcd import MemoryEtcd
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Events,
    Guard,
    Lease,
    LeaseId,
    OutcomeUnknown,
    Reading,
    Revision,
    StoreUnavailable,
    StoreWentBack,
)

_LOOK_SECONDS = 0.02
"""How often a watch looks whether a lease ran out by a clock that tells nobody."""


class CommitFault(Enum):
    """How a commit shall fail."""

    REFUSED = "StoreUnavailable: it certainly was not applied"
    LOST_BEFORE = "OutcomeUnknown: the request was lost on its way"
    LOST_AFTER = "OutcomeUnknown: it was applied, and the answer was lost"


class MemoryStore:
    """A ``Store`` over a ``MemoryEtcd``; by default one of its own."""

    def __init__(self, etcd: MemoryEtcd | None = None) -> None:
        self.etcd = MemoryEtcd() if etcd is None else etcd
        self.available = True
        """While False every call raises StoreUnavailable, and watches wait."""
        self.commits = 0
        """How many commits were tried, whatever became of them."""
        self._faults: deque[CommitFault] = deque()
        self._cluster_id = self.etcd.cluster_id
        self._highest = Revision(0)
        self._watches: set[asyncio.Event] = set()

    def fail_commits(self, *faults: CommitFault) -> None:
        """Let the next commits fail, one after the other, each in its way."""
        self._faults.extend(faults)

    def set_available(self, *, available: bool) -> None:
        """Cut this process off from etcd, or connect it again. Its leases are not renewed."""
        self.available = available
        for changed in self._watches:
            changed.set()

    async def read(self, prefix: str) -> Reading:
        await self._reach()
        reading = self.etcd.read(prefix)
        self._saw(reading.revision)
        return reading

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        self.commits += 1
        await self._reach()
        self._check_not_back()
        fault = self._faults.popleft() if self._faults else None
        if fault is CommitFault.REFUSED:
            raise StoreUnavailable("the commit was refused, as ordered")
        if fault is CommitFault.LOST_BEFORE:
            raise OutcomeUnknown("the request was lost, as ordered")
        committed = self.etcd.commit(guards, changes, on_loss_read)
        if fault is CommitFault.LOST_AFTER:
            raise OutcomeUnknown("the answer was lost, as ordered")
        self._saw(committed.revision)
        return committed

    async def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        stop = self.etcd.listen(lambda: _wake(loop, changed))
        self._watches.add(changed)
        try:
            while True:
                changed.clear()
                if self.available:
                    self._check_not_back()
                    events = self.etcd.events_after(prefix, after)
                    self._saw(events.revision)
                    after = events.revision
                    if events.events:
                        yield events
                        continue
                await self._changed(changed)
        finally:
            self._watches.discard(changed)
            stop()

    async def grant_lease(self, ttl_seconds: int) -> Lease:
        await self._reach()
        return self.etcd.grant(ttl_seconds)

    async def revoke_lease(self, lease: LeaseId) -> None:
        await self._reach()
        self.etcd.revoke(lease)

    def lease_keeper(self) -> MemoryLeaseKeeper:
        return MemoryLeaseKeeper(self)

    async def close(self) -> None:
        """Nothing is held."""

    async def _reach(self) -> None:
        # A real call lets others run, too.
        await asyncio.sleep(0)
        if not self.available:
            raise StoreUnavailable("this process is cut off from etcd, as ordered")

    async def _changed(self, changed: asyncio.Event) -> None:
        if self.etcd.has_own_clock:
            await changed.wait()
            return
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await changed.wait()
        except TimeoutError:
            return

    def _check_not_back(self) -> None:
        if self.etcd.cluster_id != self._cluster_id or self.etcd.revision < self._highest:
            raise StoreWentBack(
                f"etcd was at revision {self._highest} and is at {self.etcd.revision}: "
                "it was restored from a backup; restart every node"
            )

    def _saw(self, revision: Revision) -> None:
        self._check_not_back()
        self._highest = max(self._highest, revision)


class MemoryLeaseKeeper:
    """A ``LeaseKeeper`` over a ``MemoryEtcd``; may be called from any thread."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def keep_alive(self, lease: LeaseId, timeout_seconds: float) -> int:  # noqa: ARG002
        if not self._store.available:
            raise StoreUnavailable("this process is cut off from etcd, as ordered")
        return self._store.etcd.keep_alive(lease)

    def close(self) -> None:
        """Nothing is held."""


def _wake(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(changed.set)
