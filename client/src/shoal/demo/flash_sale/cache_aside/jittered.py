"""Cache-aside with TTL jitter and one load per key and process at a time.

The TTL is drawn within +-10 %, so that what was stored together does not expire
together. Callers of one process that miss one key at once share one query; now and then
a second one follows it, from a caller that missed just before the first was stored.
Processes do not know of each other: N of them still send about N queries per expiry. One
query in the whole cluster needs the cache's help (fill leases), which this strategy does
not use.
"""

from __future__ import annotations

import threading
from random import Random

from shoal.demo.flash_sale.cache import MISSING
from shoal.demo.flash_sale.cache_aside.guarded import GuardedCache
from shoal.demo.flash_sale.cache_aside.loader import Loader
from shoal.demo.flash_sale.cache_aside.port import Answer, Outcome
from shoal.demo.flash_sale.cache_aside.single_flight import SingleFlight
from shoal.demo.flash_sale.catalog import Product, ProductId, key_of
from shoal.demo.flash_sale.origin import ProductReader

JITTER = 0.1


def longest_jittered_ms(ttl_ms: int) -> int:
    return round(ttl_ms * (1 + JITTER))


class JitteredCacheAside:
    def __init__(self, cache: GuardedCache, loader: Loader, *, ttl_ms: int, random: Random) -> None:
        self._cache = cache
        self._loader = loader
        self._ttl_ms = ttl_ms
        self._random = random
        self._random_lock = threading.Lock()
        self._flights: SingleFlight[ProductId, Product] = SingleFlight()

    def read(self, product: ProductId, origin: ProductReader) -> Answer:
        cached = self._cache.get(key_of(product))
        if isinstance(cached, Product):
            return Answer(cached, Outcome.HIT)
        loaded, led = self._flights.do(
            product, lambda: self._loader.load(product, origin, ttl_ms=self._next_ttl_ms())
        )
        if cached is not MISSING:
            return Answer(loaded, Outcome.BYPASSED)
        return Answer(loaded, Outcome.LOADED if led else Outcome.JOINED)

    def _next_ttl_ms(self) -> int:
        with self._random_lock:
            return round(self._ttl_ms * self._random.uniform(1 - JITTER, 1 + JITTER))
