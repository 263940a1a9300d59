"""One visitor of the shop: a thread that reads a product, pauses, and reads the next.

It waits for its answer before it asks again, so a slow origin also slows the visitors:
the herd that the demo shows is at most one query per visitor.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from random import Random

from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.cache_aside import CacheAside, Outcome
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, ProductId
from shoal.demo.flash_sale.expiries import ViralWatch
from shoal.demo.flash_sale.origin import ProductReader
from shoal.demo.flash_sale.popularity import Popularity
from shoal.demo.flash_sale.tally import Tally


@dataclass(frozen=True, slots=True)
class Hours:
    """When the load runs, on CLOCK_MONOTONIC."""

    begin_ns: int
    sale_ns: int
    end_ns: int


class Visitor:
    """``run`` is the thread; ``drain`` may be called from another one."""

    def __init__(
        self,
        strategy: CacheAside,
        origin: ProductReader,
        popularity: Popularity,
        watch: ViralWatch,
        *,
        think_seconds: float,
        random: Random,
    ) -> None:
        self._strategy = strategy
        self._origin = origin
        self._popularity = popularity
        self._watch = watch
        self._think_seconds = think_seconds
        self._random = random
        self._lock = threading.Lock()
        self._tally = Tally()

    def run(self, hours: Hours, stop: threading.Event) -> None:
        # Starts are spread over one pause, or all visitors would come in step for ever.
        self._pause(hours.begin_ns + self._thinking_ns())
        while (started_ns := time.monotonic_ns()) < hours.end_ns and not stop.is_set():
            product = self._popularity.draw(self._random, sale_is_on=started_ns >= hours.sale_ns)
            self._visit(product, started_ns)
            self._pause(time.monotonic_ns() + self._thinking_ns())

    def drain(self) -> Tally:
        with self._lock:
            drained, self._tally = self._tally, Tally()
        return drained

    def _visit(self, product: ProductId, started_ns: int) -> None:
        try:
            answer = self._strategy.read(product, self._origin)
        except OriginFailed as error:
            with self._lock:
                self._tally.failed_with(error)
            return
        ended_ns = time.monotonic_ns()
        with self._lock:
            self._tally.served(
                answer.product, answer.outcome, started_ns=started_ns, ended_ns=ended_ns
            )
        if product == VIRAL_PRODUCT and answer.outcome is not Outcome.BYPASSED:
            self._watch.saw(hit=answer.outcome is Outcome.HIT, at_ns=started_ns)

    def _thinking_ns(self) -> int:
        if self._think_seconds == 0:
            return 0
        return round(self._random.expovariate(1 / self._think_seconds) * 1e9)

    @staticmethod
    def _pause(until_ns: int) -> None:
        remaining_ns = until_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / 1e9)
