"""A cache that may fail: when it is down, the application is slower, not wrong.

Every failure is counted, and told apart from a miss: a cache that did not answer says
nothing about whether the key is there. A value that cannot be read is such a failure. A
failed ``set`` may have been applied; that is as harmless as a set that came late,
because the entry still ends with its TTL.
"""

from __future__ import annotations

import threading
from enum import Enum, auto
from typing import Final

from shoal.demo.failures import CacheFailed
from shoal.demo.flash_sale.cache import MISSING, Cache, Missing
from shoal.demo.flash_sale.catalog import Product, decode, encode


class Unanswered(Enum):
    """The cache failed."""

    UNANSWERED = auto()


UNANSWERED: Final = Unanswered.UNANSWERED


class GuardedCache:
    """Products in a cache. One per process; thread-safe as the cache is."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._failures = 0
        self._first_failure: str | None = None

    def get(self, key: str) -> Product | Missing | Unanswered:
        try:
            value = self._cache.get(key)
            return MISSING if value is MISSING else decode(value)
        except (CacheFailed, ValueError, TypeError) as error:
            self._count(error)
            return UNANSWERED

    def set(self, key: str, product: Product, *, ttl_ms: int) -> None:
        try:
            self._cache.set(key, encode(product), ttl_ms=ttl_ms)
        except CacheFailed as error:
            self._count(error)

    def drain_failures(self) -> int:
        with self._lock:
            drained, self._failures = self._failures, 0
        return drained

    @property
    def first_failure(self) -> str | None:
        return self._first_failure

    def _count(self, error: Exception) -> None:
        with self._lock:
            self._failures += 1
            self._first_failure = self._first_failure or str(error)
