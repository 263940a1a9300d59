"""One worker process: visitors that share a cache client, and a report twice a second.

``work`` is the logic, over any client and catalog; ``worker_main`` is the process around
it, which makes its own client and connections (neither survives a fork or a spawn).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from random import Random

import shoal
from shoal.demo.failures import ProcessFailed
from shoal.demo.flash_sale.cache_aside import strategy_for
from shoal.demo.flash_sale.child import Pipe, child_of
from shoal.demo.flash_sale.connect import connect
from shoal.demo.flash_sale.expiries import ViralWatch
from shoal.demo.flash_sale.messages import TICK_SECONDS, Begin, Ready, WorkerTick
from shoal.demo.flash_sale.origin import Catalog, OriginAddress, open_catalog
from shoal.demo.flash_sale.popularity import Popularity
from shoal.demo.flash_sale.query_log import QueryLog
from shoal.demo.flash_sale.settings import MS_PER_SECOND, NS_PER_SECOND, Settings
from shoal.demo.flash_sale.tally import Tally
from shoal.demo.flash_sale.visitor import Hours, Visitor

_END_SECONDS = 30.0
"""How long a visitor's last read may take before the worker gives up on it."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    index: int
    settings: Settings
    cache_url: str
    origin: OriginAddress


def hours_from(begin_ns: int, settings: Settings) -> Hours:
    return Hours(
        begin_ns=begin_ns,
        sale_ns=begin_ns + round(settings.sale_at_seconds * NS_PER_SECOND),
        end_ns=begin_ns + round(settings.seconds * NS_PER_SECOND),
    )


class Worker:
    """The visitors of one process and what they share."""

    def __init__(
        self, index: int, settings: Settings, client: shoal.Client, catalog: Catalog
    ) -> None:
        self._log = QueryLog()
        self._watch = ViralWatch()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures_told = 0
        self._strategy = strategy_for(
            settings.mode,
            client,
            ttl_ms=settings.ttl_ms,
            random=Random(f"{settings.seed}/{index}/ttl"),  # noqa: S311 - a simulation
        )
        popularity = Popularity(
            settings.products,
            exponent=settings.zipf_exponent,
            viral_share=settings.viral_share,
        )
        self._readers = [catalog.reader(self._log) for _ in range(settings.threads)]
        self._visitors = [
            Visitor(
                self._strategy,
                reader,
                popularity,
                self._watch,
                think_seconds=settings.think_ms / MS_PER_SECOND,
                random=Random(f"{settings.seed}/{index}/{thread}"),  # noqa: S311 - a simulation
            )
            for thread, reader in enumerate(self._readers)
        ]

    def start(self, hours: Hours) -> None:
        self._threads = [
            threading.Thread(target=visitor.run, args=(hours, self._stop), daemon=True)
            for visitor in self._visitors
        ]
        for thread in self._threads:
            thread.start()

    def check(self, hours: Hours) -> None:
        """Raises ``ProcessFailed`` when a visitor ended before its time."""
        alive = all(thread.is_alive() for thread in self._threads)
        if not alive and time.monotonic_ns() < hours.end_ns:
            raise ProcessFailed("A visitor ended early; its traceback stands above.")

    def tick(self, *, last: bool) -> WorkerTick:
        tally = Tally()
        for visitor in self._visitors:
            tally.merge(visitor.drain())
        failures = self._strategy.failures()
        before, self._failures_told = self._failures_told, failures.count
        return WorkerTick(
            tally=tally,
            queries=self._log.drain(),
            viral_misses_ns=self._watch.drain(),
            cache_failures=failures.count - before,
            first_cache_failure=failures.first,
            longest_load_ns=self._strategy.longest_load_ns,
            last=last,
        )

    def join(self) -> None:
        deadline = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise ProcessFailed(f"A read was not answered within {_END_SECONDS:.0f} s.")

    def close(self) -> None:
        """Stops the visitors. A reader that is still in use stays open."""
        self._stop.set()
        if not any(thread.is_alive() for thread in self._threads):
            for reader in self._readers:
                reader.close()
            self._strategy.close()


def work(
    index: int, settings: Settings, client: shoal.Client, catalog: Catalog, pipe: Pipe
) -> None:
    """Reads until the end of the run, or until the parent closes the pipe."""
    worker = Worker(index, settings, client, catalog)
    try:
        pipe.send(Ready())
        begin: Begin = pipe.recv()
        hours = hours_from(begin.begin_ns, settings)
        worker.start(hours)
        while time.monotonic_ns() < hours.end_ns:
            remaining_seconds = (hours.end_ns - time.monotonic_ns()) / NS_PER_SECOND
            if pipe.poll(max(0.0, min(TICK_SECONDS, remaining_seconds))):
                pipe.recv()  # nothing is sent after Begin: this is the end of the pipe
            worker.check(hours)
            pipe.send(worker.tick(last=False))
        worker.join()
        pipe.send(worker.tick(last=True))
    finally:
        worker.close()


def worker_main(plan: WorkerPlan, pipe: Pipe) -> None:
    """The process."""
    with child_of(pipe):
        catalog = open_catalog(plan.origin)
        client = connect(plan.cache_url)
        try:
            work(plan.index, plan.settings, client, catalog, pipe)
        finally:
            client.close()
            catalog.close()
