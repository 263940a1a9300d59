"""Keep one lease alive from a thread of its own, while its holder deserves it.

No event loop can delay the thread. So that a wedged holder does lose its lease,
``may_renew`` is asked before every renewal: while it says no, nothing is sent.

Non-goal: what follows from the lease. The callbacks run in the thread and must not
raise. ``may_renew`` may block briefly: the lease's time is taken after it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shoal_coordinator.registry.port import (
    Lease,
    LeaseId,
    LeaseKeeper,
    LeaseLost,
    StoreRefused,
    StoreUnavailable,
)
from shoal_coordinator.registry.upkeep.schedule import Schedule, UpkeepSettings

_log = structlog.get_logger(__name__)


def boottime_ns() -> int:
    """CLOCK_BOOTTIME: monotonic, and counts the time that the machine is suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _not_asked_for(_sent_ns: int) -> None:
    """In place of a callback that the holder has no use for."""


@dataclass(frozen=True, slots=True)
class UpkeepCallbacks:
    """What the holder of the lease says and is told, in the upkeep's thread."""

    may_renew: Callable[[], bool]
    """Whether the holder is well enough to keep its lease."""
    renewed: Callable[[int], None]
    """The lease may be trusted until this CLOCK_BOOTTIME, in nanoseconds."""
    lost: Callable[[LeaseLost], None]
    """The lease is gone; the upkeep has ended."""
    confirmed: Callable[[int], None] = _not_asked_for
    """The store has answered a renewal, or the grant, that was sent at this time."""


class LeaseUpkeep:
    """Renews ``lease`` until it is stopped or the lease is lost.

    ``granted_ns`` is the clock's time before the lease was asked for.
    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        lease: Lease,
        granted_ns: int,
        callbacks: UpkeepCallbacks,
        settings: UpkeepSettings = UpkeepSettings(),  # noqa: B008  frozen
        clock_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        settings.check(lease.ttl_seconds)
        self._keeper = keeper
        self._lease = lease
        self._callbacks = callbacks
        self._clock_ns = clock_ns
        self._schedule = Schedule.granted(settings, granted_ns, lease.ttl_seconds)
        self._granted_ns = granted_ns
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-upkeep", daemon=True)

    @property
    def lease_id(self) -> LeaseId:
        return self._lease.id

    @property
    def deadline_ns(self) -> int:
        """Until when the lease may be trusted, as far as is known."""
        return self._schedule.deadline_ns

    @property
    def alive(self) -> bool:
        """Whether the thread still renews."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Tell the first deadline, and start renewing."""
        self._callbacks.renewed(self._schedule.deadline_ns)
        self._callbacks.confirmed(self._granted_ns)
        self._thread.start()

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Stop renewing and close the keeper; the lease is left to run out or be revoked.

        Call it from any thread but the upkeep's own; it waits for the thread to end.
        """
        self._stop.set()
        self._keeper.close()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._schedule.wait_seconds(self._clock_ns())):
            try:
                self._schedule = self._step(self._schedule)
            except LeaseLost as lost:
                if not self._stop.is_set():
                    _log.error("lease_lost", lease=f"{self._lease.id:x}", why=str(lost))
                    self._callbacks.lost(lost)
                return

    def _step(self, schedule: Schedule) -> Schedule:
        """Renew once, if the gate lets it. Raises LeaseLost."""
        if not self._callbacks.may_renew():
            return schedule.held_back(self._clock_ns())
        sent_ns = self._clock_ns()
        try:
            ttl_seconds = self._keeper.keep_alive(self._lease.id, schedule.timeout_seconds())
        except (StoreUnavailable, StoreRefused) as error:
            failed = schedule.failed(self._clock_ns())
            if failed.failure_is_news and not self._stop.is_set():
                _log.warning("lease_not_renewed", failures=failed.failures, why=str(error))
            return failed
        renewed = schedule.renewed(sent_ns, ttl_seconds)
        if schedule.failures:
            _log.info("lease_renewed_again", failures=schedule.failures)
        self._callbacks.renewed(renewed.deadline_ns)
        self._callbacks.confirmed(sent_ns)
        return renewed
