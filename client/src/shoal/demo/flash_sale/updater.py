"""The process that changes prices while visitors read them.

For each change: one transaction in the database, the clock, the delete in the cache,
the clock again, and then both times into the history. The delete comes before the
bookkeeping, as in an application that keeps no books.

Changes fall on products as sales do, so that they hit what is read and cached. The
viral product has its own, rarer changes: otherwise its key would never live to expire.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

import shoal
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, PriceChange, ProductId, key_of
from shoal.demo.flash_sale.child import PIPE_CLOSED, Pipe, child_of
from shoal.demo.flash_sale.connect import connect
from shoal.demo.flash_sale.messages import TICK_SECONDS, Begin, Ready, UpdaterTick
from shoal.demo.flash_sale.origin import Catalog, OriginAddress, PriceWriter, open_catalog
from shoal.demo.flash_sale.popularity import Popularity
from shoal.demo.flash_sale.settings import NS_PER_SECOND, Settings
from shoal.demo.flash_sale.worker import hours_from

_ZIPF_EXPONENT = 1.0
_PRICES_CENTS = (500, 20_000)


@dataclass(frozen=True, slots=True)
class UpdaterPlan:
    settings: Settings
    cache_url: str
    origin: OriginAddress


class Updater:
    """Changes prices, one at a time, and keeps count."""

    def __init__(self, settings: Settings, client: shoal.Client, writer: PriceWriter) -> None:
        self._client = client
        self._writer = writer
        self._random = Random(f"{settings.seed}/updater")  # noqa: S311 - a simulation
        self._popularity = Popularity(settings.products, exponent=_ZIPF_EXPONENT, viral_share=0.0)
        self._changes = 0
        self._failed_deletes = 0
        self._slowest_commit_ns = 0

    def change_any(self) -> PriceChange:
        """Changes one product, never the viral one."""
        product = VIRAL_PRODUCT
        while product == VIRAL_PRODUCT:
            product = self._popularity.draw(self._random, sale_is_on=False)
        return self.change(product)

    def change(self, product: ProductId) -> PriceChange:
        price_cents = self._random.randint(*_PRICES_CENTS)
        started_ns = time.monotonic_ns()
        version = self._writer.change_price(product, price_cents)
        committed_ns = time.monotonic_ns()
        deleted_ns = self._delete(product)
        change = PriceChange(product, version, committed_ns, deleted_ns)
        self._writer.stamp(change)
        self._changes += 1
        self._slowest_commit_ns = max(self._slowest_commit_ns, committed_ns - started_ns)
        return change

    def tick(self, *, last: bool) -> UpdaterTick:
        """To be called between two changes: then all that was committed is stamped."""
        tick = UpdaterTick(
            changes=self._changes,
            failed_deletes=self._failed_deletes,
            slowest_commit_ns=self._slowest_commit_ns,
            settled_ns=time.monotonic_ns(),
            last=last,
        )
        self._changes = self._failed_deletes = 0
        return tick

    def _delete(self, product: ProductId) -> int | None:
        try:
            self._client.delete(key_of(product))
        except shoal.ShoalError:
            self._failed_deletes += 1
            return None
        return time.monotonic_ns()


def update(settings: Settings, client: shoal.Client, catalog: Catalog, pipe: Pipe) -> None:
    """Changes prices until the end of the run, or until the parent closes the pipe."""
    writer = catalog.writer()
    try:
        updater = Updater(settings, client, writer)
        pipe.send(Ready())
        begin: Begin = pipe.recv()
        hours = hours_from(begin.begin_ns, settings)
        every_ns = round(NS_PER_SECOND / settings.price_changes_per_second)
        viral_every_ns = round(settings.viral_price_change_seconds * NS_PER_SECOND)
        next_any_ns, next_viral_ns = begin.begin_ns, hours.sale_ns + viral_every_ns
        next_tick_ns = begin.begin_ns
        while (now_ns := time.monotonic_ns()) < hours.end_ns:
            if now_ns >= next_viral_ns:
                updater.change(VIRAL_PRODUCT)
                next_viral_ns += viral_every_ns
            if now_ns >= next_any_ns:
                updater.change_any()
                # A cache that is slow to delete makes changes rarer, never a burst later.
                next_any_ns = max(next_any_ns + every_ns, time.monotonic_ns())
            if now_ns >= next_tick_ns:
                pipe.send(updater.tick(last=False))
                next_tick_ns = time.monotonic_ns() + round(TICK_SECONDS * NS_PER_SECOND)
            next_ns = min(next_any_ns, next_viral_ns, next_tick_ns, hours.end_ns)
            if pipe.poll(max(0.0, (next_ns - time.monotonic_ns()) / NS_PER_SECOND)):
                pipe.recv()  # nothing is sent after Begin: this is the end of the pipe
        pipe.send(updater.tick(last=True))
    finally:
        writer.close()


def updater_main(plan: UpdaterPlan, pipe: Pipe) -> None:
    """The process. When its parent was killed, nobody else is left to remove the data."""
    with child_of(pipe):
        catalog = open_catalog(plan.origin)
        client = connect(plan.cache_url)
        try:
            update(plan.settings, client, catalog, pipe)
        except PIPE_CLOSED:
            catalog.drop()
        finally:
            client.close()
            catalog.close()
