"""The load of a missing product: query the origin, then store what it answered.

It remembers the longest load, from before the query until the cache answered the set:
between those two, a change of the row may be overtaken by the old value ("read the old
row, set after the delete"). The staleness window counts it.
"""

from __future__ import annotations

import threading
import time

from shoal.demo.flash_sale.cache_aside.guarded import GuardedCache
from shoal.demo.flash_sale.catalog import Product, ProductId, key_of
from shoal.demo.flash_sale.origin import ProductReader


class Loader:
    """One per process; thread-safe."""

    def __init__(self, cache: GuardedCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._longest_ns = 0

    @property
    def longest_ns(self) -> int:
        return self._longest_ns

    def load(self, product: ProductId, origin: ProductReader, *, ttl_ms: int) -> Product:
        started_ns = time.monotonic_ns()
        loaded = origin.product(product)
        self._cache.set(key_of(product), loaded, ttl_ms=ttl_ms)
        took_ns = time.monotonic_ns() - started_ns
        with self._lock:
            self._longest_ns = max(self._longest_ns, took_ns)
        return loaded
