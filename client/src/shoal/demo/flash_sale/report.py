"""The run's result, as a value: written as JSON, drawn as a chart, printed as a table.

Times in the report are seconds since the load began. ``complaints`` is what makes the
run a failure; ``notes`` says what the figures do not say by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import fmean
from typing import assert_never

from shoal.demo.events import EventKind
from shoal.demo.flash_sale.disturbance import (
    DISTURBING,
    Disturbance,
    disturbance_of,
    is_failing,
)
from shoal.demo.flash_sale.ledger import Ledger, Second
from shoal.demo.flash_sale.oracle import Staleness
from shoal.demo.flash_sale.settings import NS_PER_MS, NS_PER_SECOND, Mode, Settings
from shoal.demo.flash_sale.timeline import BIN_MS
from shoal.demo.picture import Mark


@dataclass(frozen=True, slots=True)
class Reads:
    total: int
    per_second: float
    hits: int
    loaded: int
    joined: int
    bypassed: int
    """Answered by the origin, because the cache failed."""
    failed: int
    hit_ratio: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class OriginLoad:
    queries: int
    queries_per_second: float
    viral_queries: int
    viral_reloads_in_sale: int
    """How often the viral key had to be loaded again once the sale was on. This, and what
    follows, does not count what was asked past a cache whose node was dead."""
    viral_queries_in_sale: int
    worst_herd: int
    """Most queries that one such reload took. One is enough."""
    mean_herd: float
    viral_queries_past_the_cache: int
    """While the key's node was dead: the cache said so, and callers asked the origin."""
    longest_load_ms: float


@dataclass(frozen=True, slots=True)
class PriceChanges:
    changes: int
    failed_deletes: int
    slowest_commit_ms: float
    """The oracle's blind spot: an answer this short after a commit may pass as fresh."""


@dataclass(frozen=True, slots=True)
class Herd:
    """One reload of the viral key during the sale."""

    at_seconds: float
    queries: int
    is_past_the_cache: bool
    """While a node that was killed had no successor."""


@dataclass(frozen=True, slots=True)
class Series:
    """Counts per bin, and figures per second."""

    bin_ms: int
    viral_queries: Sequence[int]
    other_queries: Sequence[int]
    reads: Sequence[int]
    seconds: Sequence[Second]


@dataclass(frozen=True, slots=True)
class Report:
    demo: str
    settings: Settings
    origin: str
    reads: Reads
    origin_load: OriginLoad
    price_changes: PriceChanges
    staleness: Staleness
    cache_failures: int
    first_failure: str | None
    events: Sequence[Mark]
    disappearances: Sequence[Mark]
    herds: Sequence[Herd]
    disturbances: Sequence[Disturbance]
    series: Series
    complaints: Sequence[str]
    notes: Sequence[str]

    @property
    def name(self) -> str:
        suffix = "-add-node" if self.settings.add_node else ""
        suffix += "-kill" if self.settings.kill else ""
        return f"{self.demo}-{self.settings.mode}{suffix}"

    def write_json(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def report_of(ledger: Ledger, staleness: Staleness, *, origin: str) -> Report:
    disappearances = [
        Mark(_seconds(ledger, found.at_ns), found.cause, f"viral key {found.cause}")
        for found in ledger.disappearances()
    ]
    disturbances = _disturbances(ledger)
    herds = [
        Herd(at_seconds, reload.queries, is_past_the_cache=is_failing(at_seconds, disturbances))
        for reload in ledger.reloads_in_the_sale()
        for at_seconds in [_seconds(ledger, reload.started_ns)]
    ]
    reads = _reads(ledger)
    return Report(
        demo="flash-sale",
        settings=ledger.settings,
        origin=origin,
        reads=reads,
        origin_load=_origin_load(ledger, herds),
        price_changes=PriceChanges(
            changes=ledger.price_changes,
            failed_deletes=ledger.failed_deletes,
            slowest_commit_ms=ledger.slowest_commit_ns / NS_PER_MS,
        ),
        staleness=staleness,
        cache_failures=ledger.cache_failures,
        first_failure=ledger.total.first_failure or ledger.first_cache_failure,
        events=[
            Mark(_seconds(ledger, event.at_ns), event.kind, event.label) for event in ledger.events
        ],
        disappearances=disappearances,
        herds=herds,
        disturbances=disturbances,
        series=Series(
            bin_ms=BIN_MS,
            viral_queries=ledger.viral_queries.counts,
            other_queries=ledger.other_queries.counts,
            reads=ledger.reads.counts,
            seconds=ledger.seconds,
        ),
        complaints=_complaints(reads, staleness),
        notes=_notes(ledger.settings, disappearances),
    )


def _disturbances(ledger: Ledger) -> list[Disturbance]:
    disturbing = [event for event in ledger.events if event.kind in DISTURBING]
    settled = [event for event in ledger.events if event.kind is EventKind.NODE_SETTLED]
    found = []
    for event, following in zip_longest(disturbing, disturbing[1:]):
        came = [each for each in settled if each.subject == event.subject]
        found.append(
            disturbance_of(
                event.kind,
                event.subject,
                _seconds(ledger, event.at_ns),
                ledger.seconds,
                until_seconds=_seconds(ledger, following.at_ns) if following else float("inf"),
                settled_at_seconds=_seconds(ledger, came[0].at_ns) if came else None,
            )
        )
    return found


def _seconds(ledger: Ledger, at_ns: int) -> float:
    return (at_ns - ledger.begin_ns) / NS_PER_SECOND


def _reads(ledger: Ledger) -> Reads:
    total, latency = ledger.total, ledger.total.latency
    return Reads(
        total=total.reads,
        per_second=total.reads / ledger.settings.seconds,
        hits=total.hits,
        loaded=total.loaded,
        joined=total.joined,
        bypassed=total.bypassed,
        failed=total.failed,
        hit_ratio=total.hits / max(1, total.reads),
        p50_ms=latency.quantile_ms(0.5),
        p99_ms=latency.quantile_ms(0.99),
        p999_ms=latency.quantile_ms(0.999),
        max_ms=latency.quantile_ms(1.0),
    )


def _origin_load(ledger: Ledger, herds: Sequence[Herd]) -> OriginLoad:
    sizes = [herd.queries for herd in herds if not herd.is_past_the_cache]
    return OriginLoad(
        queries=ledger.queries_in_all,
        queries_per_second=ledger.queries_in_all / ledger.settings.seconds,
        viral_queries=sum(ledger.viral_queries.counts) + ledger.viral_queries.outside,
        viral_reloads_in_sale=len(sizes),
        viral_queries_in_sale=sum(sizes),
        worst_herd=max(sizes, default=0),
        mean_herd=fmean(sizes) if sizes else 0.0,
        viral_queries_past_the_cache=sum(herd.queries for herd in herds if herd.is_past_the_cache),
        longest_load_ms=ledger.longest_load_ns / NS_PER_MS,
    )


def _complaints(reads: Reads, staleness: Staleness) -> list[str]:
    complaints = []
    if reads.total == 0:
        complaints.append("Nothing was read: the run shows nothing.")
    if reads.failed:
        complaints.append(f"{reads.failed} reads were answered by neither cache nor origin.")
    if staleness.beyond_window:
        complaints.append(
            f"{staleness.beyond_window} answers were staler than the documented window of "
            f"{staleness.window_ms / 1_000:.2f} s (the worst: {staleness.worst_ms / 1_000:.2f} s)."
        )
    if staleness.invented:
        complaints.append(
            f"{staleness.invented} products were answered with a version that the database "
            "never had."
        )
    return complaints


def _notes(settings: Settings, disappearances: Sequence[Mark]) -> list[str]:
    notes = [_mode_note(settings)]
    if not any(mark.at_seconds >= settings.sale_at_seconds for mark in disappearances):
        notes.append("The viral key never went missing during the sale: no herd could show.")
    return notes


def _mode_note(settings: Settings) -> str:
    match settings.mode:
        case Mode.NAIVE:
            return (
                f"Plain cache-aside: each of {settings.callers} callers that misses the viral key "
                "queries the database for itself. Without --naive the whole cluster sends one."
            )
        case Mode.LEASED:
            return (
                f"Fill leases: of {settings.callers} callers in {settings.workers} processes that "
                "miss the viral key, one queries the database; the others wait on the key's node "
                "for what it stores. --naive shows the herd."
            )
        case _:
            assert_never(settings.mode)
