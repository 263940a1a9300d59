"""Plain cache-aside, as most applications have it today.

A fixed TTL, so that what was stored together expires together; and every caller that
misses queries the origin, so that a viral key sends the whole herd.
"""

from __future__ import annotations

from shoal.demo.flash_sale.cache import MISSING
from shoal.demo.flash_sale.cache_aside.guarded import GuardedCache
from shoal.demo.flash_sale.cache_aside.loader import Loader
from shoal.demo.flash_sale.cache_aside.port import Answer, Outcome
from shoal.demo.flash_sale.catalog import Product, ProductId, key_of
from shoal.demo.flash_sale.origin import ProductReader


class NaiveCacheAside:
    def __init__(self, cache: GuardedCache, loader: Loader, *, ttl_ms: int) -> None:
        self._cache = cache
        self._loader = loader
        self._ttl_ms = ttl_ms

    def read(self, product: ProductId, origin: ProductReader) -> Answer:
        cached = self._cache.get(key_of(product))
        if isinstance(cached, Product):
            return Answer(cached, Outcome.HIT)
        loaded = self._loader.load(product, origin, ttl_ms=self._ttl_ms)
        return Answer(loaded, Outcome.LOADED if cached is MISSING else Outcome.BYPASSED)
