"""Was an answer stale? Judged from the database's own price history.

An answer is (product, version, start), the start read before the cache was asked. It is
stale if a newer version was committed before that start: whoever asks after a commit may
expect to see it. Its staleness is start minus the commit of the *first* newer version.

*It does not accuse falsely.* All times are CLOCK_MONOTONIC, one clock for all processes
of a machine. ``committed_ns`` is read after the commit returned, so the true commit is
not later: ``committed_ns <= start`` proves that the newer row could be read at ``start``.
The staleness found is at most the true one, so "beyond the window" is proven as well.

*What it can miss* is an answer that started between the true commit and the stamp: a
blind spot as long as a commit takes, which the updater measures and the report states.
The history is complete when it is used: the updater tells up to when every commit is
stamped (``settle``), and only answers that started by then are judged. Nothing is
sampled; if too many answers wait to be judged, the newest are let go and counted as
``unjudged``.

*The window.* Plain cache-aside with delete after commit is stale (a) between the commit
and the delete, and (b) when a reader took the old row before the commit and set it after
the delete; that value ends with its TTL. Any cached value was read from the database at
most one load before it was stored, and lives for at most the longest TTL, so no answer
may be staler than TTL (with its jitter) + the longest load + a margin for the clocks of
expiry. An answer beyond it, or with a version that the database never had, is a bug of
the cache.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shoal.demo.flash_sale.catalog import FIRST_VERSION, PriceChange
from shoal.demo.flash_sale.tally import Answers

MARGIN_MS = 250
_NS_PER_MS = 1_000_000
_PENDING_MAX = 1_000_000
_SUSPECTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class StaleAnswer:
    product_id: int
    version: int
    started_ns: int
    staleness_ns: int
    after_delete: bool
    """It started after the delete that should have removed it had returned."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """The verdict over all answers judged so far."""

    judged: int
    stale: int
    stale_after_delete: int
    worst_ms: float
    window_ms: float
    beyond_window: int
    invented: int
    """Answers with a version that the database never had."""
    unjudged: int


@dataclass(slots=True)
class _Versions:
    """The changes of one product; both lists rise together."""

    versions: list[int] = field(default_factory=list)
    changes: list[PriceChange] = field(default_factory=list)

    def add(self, change: PriceChange) -> None:
        assert not self.versions or change.version > self.versions[-1], "history out of order"
        self.versions.append(change.version)
        self.changes.append(change)

    def first_newer_than(self, version: int) -> PriceChange | None:
        at = bisect_right(self.versions, version)
        return self.changes[at] if at < len(self.changes) else None


class Oracle:
    """Learns the history as it grows and judges answers once it is complete for them."""

    def __init__(self, *, longest_ttl_ms: int, pending_max: int = _PENDING_MAX) -> None:
        self._window_without_load_ns = (longest_ttl_ms + MARGIN_MS) * _NS_PER_MS
        self._pending_max = pending_max
        self._history: dict[int, _Versions] = {}
        self._highest_answered: dict[int, int] = {}
        self._pending: list[Answers] = []
        self._judged = 0
        self._unjudged = 0
        self._stale = 0
        self._stale_after_delete = 0
        self._worst_ns = 0
        self._suspects: list[StaleAnswer] = []
        self._learned = 0

    @property
    def learned(self) -> int:
        """How many changes it was told."""
        return self._learned

    @property
    def stale(self) -> int:
        return self._stale

    def learn(self, changes: Iterable[PriceChange]) -> None:
        """Further changes, in the order of their commits."""
        for change in changes:
            self._history.setdefault(change.product_id, _Versions()).add(change)
            self._learned += 1

    def add(self, answers: Answers) -> None:
        if sum(map(len, self._pending)) + len(answers) > self._pending_max:
            self._unjudged += len(answers)
            return
        self._pending.append(answers)

    def settle(self, settled_ns: int) -> None:
        """Judges what started by ``settled_ns``: all commits until then were learned."""
        waiting = Answers()
        for answers in self._pending:
            for product_id, version, started_ns in answers:
                if started_ns <= settled_ns:
                    self._judge(product_id, version, started_ns)
                else:
                    waiting.add(product_id, version, started_ns)
        self._pending = [waiting] if len(waiting) else []

    def verdict(self, *, longest_load_ns: int, latest_version: Callable[[int], int]) -> Staleness:
        """``latest_version`` asks the database; only for products that need it."""
        window_ns = self._window_without_load_ns + longest_load_ns
        return Staleness(
            judged=self._judged,
            stale=self._stale,
            stale_after_delete=self._stale_after_delete,
            worst_ms=self._worst_ns / _NS_PER_MS,
            window_ms=window_ns / _NS_PER_MS,
            beyond_window=sum(suspect.staleness_ns > window_ns for suspect in self._suspects),
            invented=self._invented(latest_version),
            unjudged=self._unjudged + sum(map(len, self._pending)),
        )

    def _judge(self, product_id: int, version: int, started_ns: int) -> None:
        self._judged += 1
        if version > self._highest_answered.get(product_id, FIRST_VERSION):
            self._highest_answered[product_id] = version
        history = self._history.get(product_id)
        newer = history.first_newer_than(version) if history is not None else None
        if newer is None or newer.committed_ns > started_ns:
            return
        after_delete = newer.deleted_ns is not None and newer.deleted_ns <= started_ns
        staleness_ns = started_ns - newer.committed_ns
        self._stale += 1
        self._stale_after_delete += after_delete
        self._worst_ns = max(self._worst_ns, staleness_ns)
        if staleness_ns > self._window_without_load_ns and len(self._suspects) < _SUSPECTS_MAX:
            self._suspects.append(
                StaleAnswer(product_id, version, started_ns, staleness_ns, after_delete)
            )

    def _invented(self, latest_version: Callable[[int], int]) -> int:
        """Products that were answered with a version above the database's."""
        return sum(
            highest > latest_version(product_id)
            for product_id, highest in self._highest_answered.items()
        )
