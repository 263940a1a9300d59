"""Between the lease's upkeep and the data plane: which deadlines may reach it.

The upkeep thread hands every renewed deadline straight to the data plane, so that
a stalled event loop fences nobody. But a node that lost its lease, and has a new
one, may have lost partitions too, which its data plane still holds open. So a
lease's deadlines reach the data plane only once the agent has ``lifted`` the fence
for that very lease, after it closed what others took.

Invariant: the data plane's deadline is 0 or one of the lifted lease. A late
renewal of an older lease changes nothing. Safe to use from any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shoal_coordinator.registry.port import LeaseId

_NANOSECONDS = 1_000_000_000
_SENT_KEPT = 32
"""Turns of the agent are seldom further apart than some keepalives."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """A lease as it is known now; CLOCK_BOOTTIME, 0 where there is none."""

    deadline_ns: int
    renewed_ns: int
    """When the last renewal was confirmed."""
    sent_ns: tuple[int, ...] = ()
    """When the newest calls were sent by which the store kept, or granted, a lease of ours.

    The newest last, a bounded number. Whoever sent one was heard after that, and heard
    the answer. They outlive their lease.
    """

    def age_seconds(self, now_ns: int) -> float:
        return (now_ns - self.renewed_ns) / _NANOSECONDS if self.renewed_ns else 0.0

    def remaining_seconds(self, now_ns: int) -> float:
        return max(0, self.deadline_ns - now_ns) / _NANOSECONDS


class Fence:
    """Passes the deadlines of one lease at a time on to ``set_deadline_ns``."""

    def __init__(self, set_deadline_ns: Callable[[int], None], clock_ns: Callable[[], int]) -> None:
        self._set_deadline_ns = set_deadline_ns
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._lease: LeaseId | None = None
        self._lifted = False
        self._deadline_ns = 0
        self._renewed_ns = 0
        self._sent_ns: deque[int] = deque(maxlen=_SENT_KEPT)

    def begin(self, lease: LeaseId) -> None:
        """Follow a new lease. The fence stays down until it is lifted for it."""
        with self._lock:
            self._drop()
            self._lease = lease

    def renewed(self, lease: LeaseId, deadline_ns: int) -> None:
        """Take a deadline that the store confirmed."""
        with self._lock:
            if lease != self._lease:
                return
            self._deadline_ns = max(self._deadline_ns, deadline_ns)
            self._renewed_ns = self._clock_ns()
            if self._lifted:
                self._set_deadline_ns(self._deadline_ns)

    def confirmed(self, sent_ns: int) -> None:
        """Take note that the store has answered a call that was sent then."""
        with self._lock:
            if not self._sent_ns or sent_ns > self._sent_ns[-1]:
                self._sent_ns.append(sent_ns)

    def lift(self, lease: LeaseId) -> bool:
        """Let this lease's deadlines through; False when it is no longer the one."""
        with self._lock:
            if lease != self._lease:
                return False
            self._lifted = True
            self._set_deadline_ns(self._deadline_ns)
            return True

    def fall(self, lease: LeaseId | None = None) -> None:
        """Refuse from now on. With a lease given: only if it is still the one."""
        with self._lock:
            if lease is None or lease == self._lease:
                self._drop()

    def sent_after(self, ns: int) -> list[int]:
        """Of the calls that the store answered, when those were sent that came after ``ns``.

        The newest last; see ``LeaseTimes.sent_ns``.
        """
        newest = self._sent_ns
        # Nothing ever leaves but for what is newer, so that this look needs no lock.
        if not newest or newest[-1] <= ns:
            return []
        with self._lock:
            return [sent for sent in newest if sent > ns]

    @property
    def deadline_ns(self) -> int:
        """Of the lease that is followed; 0: there is none, or the fence has fallen."""
        return self._deadline_ns

    def times(self) -> LeaseTimes:
        with self._lock:
            return LeaseTimes(self._deadline_ns, self._renewed_ns, tuple(self._sent_ns))

    def _drop(self) -> None:
        self._lease = None
        self._lifted = False
        self._deadline_ns = 0
        self._set_deadline_ns(0)
