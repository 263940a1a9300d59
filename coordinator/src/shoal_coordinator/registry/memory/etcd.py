"""Keys, leases and history as etcd would hold them, in memory.

Invariants: every commit that changes something takes one revision; the history
holds every event in order, though what is compacted is no longer told; a key bound
to a lease goes when the lease does.

Time is an argument: by default a clock that only ``advance`` moves. With a clock
of the caller's own, leases run out by it whenever anything looks.

Safe to use from several threads, since a lease is kept from a thread of its own.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shoal_coordinator.registry.port import (
    ABSENT,
    NO_LEASE,
    Change,
    Changed,
    Committed,
    Compacted,
    CreatedAt,
    Delete,
    Event,
    Events,
    Guard,
    Item,
    Lease,
    LeaseId,
    LeaseLost,
    Put,
    Reading,
    Removed,
    Revision,
)

_FIRST_REVISION = Revision(1)
NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class _LeaseState:
    ttl_seconds: int
    deadline_ns: int
    keys: set[str] = field(default_factory=set)


class MemoryEtcd:
    """One etcd, shared by any number of ``MemoryStore``."""

    def __init__(self, clock_ns: Callable[[], int] | None = None, cluster_id: int = 1) -> None:
        self.cluster_id = cluster_id
        self.has_own_clock = clock_ns is None
        self._clock_ns: Callable[[], int] = clock_ns or (lambda: self._now_ns)
        self._now_ns = 0
        self._lock = threading.RLock()
        self._revision = _FIRST_REVISION
        self._compacted = Revision(0)
        self._items: dict[str, Item] = {}
        self._history: list[Events] = []
        self._leases: dict[LeaseId, _LeaseState] = {}
        self._none_ends_before_ns = 0
        """No lease ends before this. One that is renewed ends later than it would have."""
        self._last_lease = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def revision(self) -> Revision:
        if self._clock_ns() < self._none_ends_before_ns:
            return self._revision
        with self._lock:
            self._expire()
            return self._revision

    def advance(self, seconds: float) -> None:
        """Let time pass, and leases run out."""
        assert self.has_own_clock, "time is what the given clock says"
        with self._lock:
            self._now_ns += round(seconds * NANOSECONDS)
            self._expire()

    def compact(self, revision: Revision) -> None:
        """No longer tell what happened before this revision, as etcd does."""
        with self._lock:
            self._expire()
            assert self._compacted < revision <= self._revision
            self._compacted = revision
        self._tell()

    def go_back(self, revision: Revision) -> None:
        """Restore the backup made at this revision, as a new etcd would start from it."""
        with self._lock:
            assert _FIRST_REVISION <= revision <= self._revision
            self._compacted = min(self._compacted, revision)
            self._history = [events for events in self._history if events.revision <= revision]
            self._items = {}
            for lease in self._leases.values():
                lease.keys.clear()
            for events in self._history:
                for event in events.events:
                    self._place(event)
            self._revision = revision
        self._tell()

    def read(self, prefix: str) -> Reading:
        with self._lock:
            self._expire()
            items = (self._items[key] for key in sorted(self._items) if key.startswith(prefix))
            return Reading(self._revision, tuple(items))

    def standing(self, key: str) -> Item | None:
        """What stands under one key."""
        with self._lock:
            self._expire()
            return self._items.get(key)

    def commit(
        self, guards: Sequence[Guard], changes: Sequence[Change], on_loss_read: Sequence[str]
    ) -> Committed:
        keys = [change.key for change in changes]
        assert len(set(keys)) == len(keys), "etcd refuses two changes of one key"
        with self._lock:
            self._expire()
            if not all(self._holds(guard) for guard in guards):
                found = (self._items[key] for key in on_loss_read if key in self._items)
                return Committed(won=False, revision=self._revision, found=tuple(found))
            for change in changes:
                lease = change.lease if isinstance(change, Put) else NO_LEASE
                if lease != NO_LEASE and lease not in self._leases:
                    raise LeaseLost(f"lease {lease} is gone; grant a new one")
            self._apply(changes)
            return Committed(won=True, revision=self._revision, found=())

    def events_after(self, prefix: str, after: Revision) -> Events:
        """All events past a revision, up to now. Raises Compacted."""
        with self._lock:
            self._expire()
            if after + 1 < self._compacted:
                raise Compacted(self._compacted)
            start = bisect_right(self._history, after, key=lambda events: events.revision)
            events = (
                event
                for past in self._history[start:]
                for event in past.events
                if _key_of(event).startswith(prefix)
            )
            return Events(max(after, self._revision), tuple(events))

    def grant(self, ttl_seconds: int) -> Lease:
        with self._lock:
            self._last_lease += 1
            lease = LeaseId(self._last_lease)
            deadline_ns = self._clock_ns() + ttl_seconds * NANOSECONDS
            self._leases[lease] = _LeaseState(ttl_seconds, deadline_ns)
            self._none_ends_before_ns = min(self._none_ends_before_ns, deadline_ns)
            return Lease(lease, ttl_seconds)

    def keep_alive(self, lease: LeaseId) -> int:
        with self._lock:
            self._expire()
            state = self._leases.get(lease)
            if state is None:
                raise LeaseLost(f"lease {lease} is gone; grant a new one")
            state.deadline_ns = self._clock_ns() + state.ttl_seconds * NANOSECONDS
            return state.ttl_seconds

    def revoke(self, lease: LeaseId) -> None:
        with self._lock:
            self._expire()
            self._end_lease(lease)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener``, from any thread, after every change; return how to stop it."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _holds(self, guard: Guard) -> bool:
        item = self._items.get(guard.key)
        if item is None:
            return guard.revision == ABSENT
        stands = item.create_revision if isinstance(guard, CreatedAt) else item.mod_revision
        return stands == guard.revision

    def _apply(self, changes: Sequence[Change]) -> None:
        revision = Revision(self._revision + 1)
        events: list[Event] = []
        for change in changes:
            standing = self._items.get(change.key)
            if isinstance(change, Delete):
                if standing is not None:
                    events.append(Removed(change.key, revision))
                continue
            created = revision if standing is None else standing.create_revision
            item = Item(change.key, change.value, created, revision, change.lease)
            events.append(Changed(item))
        if not events:
            return
        self._revision = revision
        for event in events:
            self._place(event)
        self._history.append(Events(revision, tuple(events)))
        self._tell()

    def _place(self, event: Event) -> None:
        """Put one event into the keys, and bind or unbind its lease."""
        old = self._items.pop(_key_of(event), None)
        if old is not None and old.lease in self._leases:
            self._leases[old.lease].keys.discard(old.key)
        if isinstance(event, Changed):
            self._items[event.item.key] = event.item
            if event.item.lease in self._leases:
                self._leases[event.item.lease].keys.add(event.item.key)

    def _expire(self) -> None:
        now_ns = self._clock_ns()
        if now_ns < self._none_ends_before_ns:
            return
        for lease in [id_ for id_, state in self._leases.items() if state.deadline_ns <= now_ns]:
            self._end_lease(lease)
        deadlines_ns = (state.deadline_ns for state in self._leases.values())
        self._none_ends_before_ns = min(deadlines_ns, default=now_ns)

    def _end_lease(self, lease: LeaseId) -> None:
        state = self._leases.pop(lease, None)
        if state is not None:
            self._apply([Delete(key) for key in sorted(state.keys)])

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _key_of(event: Event) -> str:
    return event.key if isinstance(event, Removed) else event.item.key
