"""Plain cache-aside, as most applications have it today.

A fixed TTL, so that what was stored together expires together; and every caller that
misses queries the origin, so that a viral key sends the whole herd.
"""

from __future__ import annotations

import time

import shoal
from shoal.demo.flash_sale.cache_aside.guarded import GuardedClient
from shoal.demo.flash_sale.cache_aside.longest_load import LongestLoad
from shoal.demo.flash_sale.cache_aside.port import Answer, Failures, Outcome
from shoal.demo.flash_sale.catalog import Product, ProductId, key_of
from shoal.demo.flash_sale.origin import ProductReader


class NaiveCacheAside:
    def __init__(self, client: shoal.Client, *, ttl_ms: int) -> None:
        self._cache = GuardedClient(client)
        self._longest_load = LongestLoad()
        self._ttl_ms = ttl_ms

    @property
    def longest_load_ns(self) -> int:
        return self._longest_load.ns

    def read(self, product: ProductId, origin: ProductReader) -> Answer:
        cached = self._cache.get(key_of(product))
        if isinstance(cached, Product):
            return Answer(cached, Outcome.HIT)
        started_ns = time.monotonic_ns()
        loaded = origin.product(product)
        self._cache.set(key_of(product), loaded, ttl_ms=self._ttl_ms)
        self._longest_load.ended(started_ns)
        return Answer(loaded, Outcome.LOADED if cached is shoal.MISSING else Outcome.BYPASSED)

    def failures(self) -> Failures:
        return self._cache.failures()

    def close(self) -> None:
        """Nothing is held."""
