"""Everything that was seen of a run so far. The display and the report read from it.

No I/O: ticks and history come in, each second's figures go out. The oracle sits here,
because what it may judge depends on both the workers' ticks and the updater's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.demo.events import Event
from shoal.demo.flash_sale.cache_aside import longest_ttl_ms
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, PriceChange
from shoal.demo.flash_sale.expiries import Disappearance, merged
from shoal.demo.flash_sale.herd import Reload, reloads
from shoal.demo.flash_sale.messages import UpdaterTick, WorkerTick
from shoal.demo.flash_sale.oracle import Oracle
from shoal.demo.flash_sale.settings import NS_PER_MS, NS_PER_SECOND, Settings
from shoal.demo.flash_sale.tally import Answers, Tally
from shoal.demo.flash_sale.timeline import Timeline

_MERGE_GAP_MS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Second:
    """The figures of about one second, for the display and the chart."""

    elapsed_seconds: float
    reads_per_second: float
    hit_ratio: float
    viral_queries_per_second: float
    all_queries_per_second: float
    p50_ms: float
    p99_ms: float
    stale_so_far: int
    failures_so_far: int
    """Of cache and origin together."""


class Ledger:
    def __init__(self, settings: Settings, *, begin_ns: int) -> None:
        self.settings = settings
        self.begin_ns = begin_ns
        self.total = Tally()
        self.oracle = Oracle(longest_ttl_ms=longest_ttl_ms(settings.mode, settings.ttl_ms))
        self.viral_queries = Timeline(begin_ns, seconds=settings.seconds)
        self.other_queries = Timeline(begin_ns, seconds=settings.seconds)
        self.reads = Timeline(begin_ns, seconds=settings.seconds)
        self.queries_in_all = 0
        self.cache_failures = 0
        self.first_cache_failure: str | None = None
        self.longest_load_ns = 0
        self.price_changes = 0
        self.failed_deletes = 0
        self.slowest_commit_ns = 0
        self.seconds: list[Second] = []
        self.events: list[Event] = []
        self._viral_spans: list[tuple[int, int]] = []
        self._viral_misses_ns: list[int] = []
        self._viral_changes: list[PriceChange] = []
        self._this_second = Tally()
        self._queries_this_second = (0, 0)
        self._last_second_ns = begin_ns
        self._settled_ns = 0

    def take_worker(self, tick: WorkerTick) -> None:
        answers, tick.tally.answers = tick.tally.answers, Answers()
        self.reads.add(answers.started_ns)
        self.oracle.add(answers)
        self.total.merge(tick.tally)
        self._this_second.merge(tick.tally)
        viral, other = tick.queries.viral, tick.queries.other
        self.viral_queries.add(viral.started_ns)
        self.other_queries.add(other.started_ns)
        self._viral_spans += zip(viral.started_ns, viral.ended_ns, strict=True)
        self.queries_in_all += len(viral) + len(other)
        viral_before, all_before = self._queries_this_second
        self._queries_this_second = (
            viral_before + len(viral),
            all_before + len(viral) + len(other),
        )
        self._viral_misses_ns += tick.viral_misses_ns
        self.cache_failures += tick.cache_failures
        self.first_cache_failure = self.first_cache_failure or tick.first_cache_failure
        self.longest_load_ns = max(self.longest_load_ns, tick.longest_load_ns)

    def take_updater(self, tick: UpdaterTick, history: Sequence[PriceChange]) -> None:
        """``history``: what the database holds beyond ``price_changes_learned``."""
        self.price_changes += tick.changes
        self.failed_deletes += tick.failed_deletes
        self.slowest_commit_ns = max(self.slowest_commit_ns, tick.slowest_commit_ns)
        self.oracle.learn(history)
        self._viral_changes += [c for c in history if c.product_id == VIRAL_PRODUCT]
        self._settled_ns = tick.settled_ns
        self.oracle.settle(tick.settled_ns)

    def finish(self) -> None:
        """After the last tick of all: judges the answers that came after the updater's last."""
        self.oracle.settle(self._settled_ns)

    @property
    def price_changes_learned(self) -> int:
        return self.oracle.learned

    def close_second(self, now_ns: int) -> Second:
        """The figures since the last call."""
        seconds = max(1, now_ns - self._last_second_ns) / NS_PER_SECOND
        tally = self._this_second
        viral, in_all = self._queries_this_second
        second = Second(
            elapsed_seconds=(now_ns - self.begin_ns) / NS_PER_SECOND,
            reads_per_second=tally.reads / seconds,
            hit_ratio=tally.hits / max(1, tally.reads),
            viral_queries_per_second=viral / seconds,
            all_queries_per_second=in_all / seconds,
            p50_ms=tally.latency.quantile_ms(0.5),
            p99_ms=tally.latency.quantile_ms(0.99),
            stale_so_far=self.oracle.stale,
            failures_so_far=self.cache_failures + self.total.failed,
        )
        self._this_second, self._queries_this_second = Tally(), (0, 0)
        self._last_second_ns = now_ns
        self.seconds.append(second)
        return second

    def reloads_in_the_sale(self) -> list[Reload]:
        sale_ns = self.begin_ns + round(self.settings.sale_at_seconds * NS_PER_SECOND)
        return [reload for reload in reloads(self._viral_spans) if reload.started_ns >= sale_ns]

    def disappearances(self) -> list[Disappearance]:
        gap_ms = min(_MERGE_GAP_MS_MAX, self.settings.ttl_ms // 2)
        return merged(self._viral_misses_ns, self._viral_changes, gap_ns=gap_ms * NS_PER_MS)
