"""The real loop of workers and updater, on SQLite, with a cluster in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

import pytest

import shoal
from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.catalog import ProductId
from shoal.demo.flash_sale.ledger import Ledger
from shoal.demo.flash_sale.messages import Begin, Ready, UpdaterTick, WorkerTick
from shoal.demo.flash_sale.origin import Catalog
from shoal.demo.flash_sale.report import Report, report_of
from shoal.demo.flash_sale.settings import Mode, Settings
from shoal.demo.flash_sale.updater import update
from shoal.demo.flash_sale.worker import work
from shoal.testing import Cluster

FAST: Any = {"workers": 1, "threads": 4, "products": 300, "think_ms": 1.0}


def run_here(settings: Settings, client: Any, catalog: Catalog) -> Report:
    """One worker and the updater as threads, listened to as ``run`` does."""
    jobs: list[Callable[[Any], None]] = [
        lambda pipe: work(0, settings, client, catalog, pipe),
        lambda pipe: update(settings, client, catalog, pipe),
    ]
    pipes = []
    for job in jobs:
        ours, theirs = Pipe()
        threading.Thread(target=job, args=(theirs,), daemon=True).start()
        pipes.append(ours)
    for pipe in pipes:
        assert pipe.poll(10)
        assert pipe.recv() == Ready()
    ledger = Ledger(settings, begin_ns=time.monotonic_ns())
    for pipe in pipes:
        pipe.send(Begin(ledger.begin_ns))
    talking = list(pipes)
    while talking:
        ready = wait(talking, 10)
        assert ready, "nobody said anything for ten seconds"
        for pipe in [pipe for pipe in talking if pipe in ready]:
            message = pipe.recv()
            if isinstance(message, WorkerTick):
                ledger.take_worker(message)
            elif isinstance(message, UpdaterTick):
                ledger.take_updater(message, catalog.history(ledger.price_changes_learned))
            if message.last:
                talking.remove(pipe)
    ledger.finish()
    ledger.close_second(time.monotonic_ns())
    staleness = ledger.oracle.verdict(
        longest_load_ns=ledger.longest_load_ns,
        latest_version=lambda product_id: catalog.latest_version(ProductId(product_id)),
    )
    for pipe in pipes:
        pipe.close()
    return report_of(ledger, staleness, origin="SQLite")


@pytest.mark.parametrize("mode", list(Mode))
def test_a_run_adds_up(mode: Mode, sqlite_catalog: Catalog, client: shoal.Client) -> None:
    settings = Settings(mode=mode, seconds=1.5, ttl_ms=300, price_changes_per_second=50, **FAST)
    report = run_here(settings, client, sqlite_catalog)
    reads, load = report.reads, report.origin_load
    assert report.complaints == []
    assert reads.total > 200
    assert reads.bypassed == 0
    assert reads.total == reads.hits + reads.loaded + reads.joined
    assert reads.loaded == load.queries
    in_time = sum(report.series.viral_queries) + sum(report.series.other_queries)
    # The last read of each thread may ask the database after the end.
    assert 0 <= load.queries - in_time <= settings.callers
    assert sum(report.series.reads) == report.staleness.judged == reads.total
    assert report.staleness.unjudged == 0
    assert report.price_changes.changes > 20
    assert load.viral_reloads_in_sale >= 1
    assert any(mark.at_seconds >= settings.sale_at_seconds for mark in report.disappearances)
    if mode is Mode.LEASED:
        assert load.worst_herd == 1  # there is one process
    assert report.series.seconds[-1].p99_ms > 0


def test_a_cache_that_never_forgets_is_found_out(
    sqlite_catalog: Catalog, stubborn_client: Any
) -> None:
    """It ignores deletes and TTLs, so that answers grow staler than the window allows."""
    settings = Settings(
        mode=Mode.NAIVE, seconds=2.0, ttl_ms=100, price_changes_per_second=100, **FAST
    )
    report = run_here(settings, stubborn_client, sqlite_catalog)
    assert report.staleness.stale_after_delete > 0
    assert report.staleness.beyond_window > 0
    assert report.staleness.worst_ms > report.staleness.window_ms
    assert any("staler than the documented window" in text for text in report.complaints)


@pytest.mark.parametrize("mode", list(Mode))
def test_without_a_cache_every_read_is_answered_by_the_origin(
    mode: Mode, sqlite_catalog: Catalog, cluster: Cluster, client: shoal.Client
) -> None:
    settings = Settings(mode=mode, seconds=1.0, ttl_ms=100, **FAST)
    with cluster.down():
        report = run_here(settings, client, sqlite_catalog)
    assert report.reads.hits == 0
    assert report.reads.total == report.reads.bypassed >= report.origin_load.queries > 0
    assert report.disappearances == []  # a failure does not say that a key is gone
    assert report.cache_failures >= 2 * report.reads.total
    assert report.first_failure is not None
    assert "the cluster in memory is down" in report.first_failure
    assert report.price_changes.failed_deletes == report.price_changes.changes > 0
    assert report.complaints == []


def test_reads_that_the_origin_refuses_fail_the_run(
    sqlite_catalog: Catalog, client: shoal.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shoal.demo.flash_sale.origin_sqlite import SqliteProductReader

    def refuse(_reader: object, product: ProductId) -> None:
        raise OriginFailed(f"no {product} today")

    monkeypatch.setattr(SqliteProductReader, "product", refuse)
    settings = Settings(mode=Mode.LEASED, seconds=1.0, ttl_ms=100, **FAST)
    report = run_here(settings, client, sqlite_catalog)
    assert report.reads.failed == report.reads.total > 0
    assert any("answered by neither" in text for text in report.complaints)


def test_a_worker_stops_when_its_pipe_is_closed(
    sqlite_catalog: Catalog, client: shoal.Client
) -> None:
    settings = Settings(mode=Mode.NAIVE, seconds=60, ttl_ms=100, **FAST)
    ours, theirs = Pipe()
    ended: list[type[BaseException]] = []

    def target() -> None:
        try:
            work(0, settings, client, sqlite_catalog, theirs)
        except (EOFError, BrokenPipeError) as end:
            ended.append(type(end))

    worker = threading.Thread(target=target, daemon=True)
    worker.start()
    assert ours.recv() == Ready()
    ours.send(Begin(time.monotonic_ns()))
    assert isinstance(ours.recv(), WorkerTick)
    ours.close()
    worker.join(10)
    assert not worker.is_alive()
    assert len(ended) == 1
