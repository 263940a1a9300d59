"""A client that may fail: when the cache is down, the application is slower, not wrong.

Every failure is counted, and told apart from a miss: a cache that did not answer says
nothing about whether the key is there. A value that cannot be read is such a failure. A
failed ``set`` may have been applied; that is as harmless as a set that came late,
because the entry still ends with its TTL.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import shoal
from shoal.demo.flash_sale.cache_aside.port import Failures
from shoal.demo.flash_sale.catalog import Product, decode, encode


class Unanswered(Enum):
    """The cache failed."""

    UNANSWERED = auto()


UNANSWERED: Final = Unanswered.UNANSWERED


class GuardedClient:
    """Products in a cache. One per process; thread-safe as the client is."""

    def __init__(self, client: shoal.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._failures = Failures(0, None)

    def get(self, key: str) -> Product | shoal.MissingType | Unanswered:
        try:
            value = self._client.get(key)
            return decode(value) if isinstance(value, bytes) else shoal.MISSING
        except (shoal.ShoalError, ValueError, TypeError) as error:
            self._count(error)
            return UNANSWERED

    def set(self, key: str, product: Product, *, ttl_ms: int) -> None:
        try:
            self._client.set(key, encode(product), ttl=timedelta(milliseconds=ttl_ms))
        except shoal.ShoalError as error:
            self._count(error)

    def failures(self) -> Failures:
        return self._failures

    def _count(self, error: Exception) -> None:
        with self._lock:
            before = self._failures
            self._failures = Failures(before.count + 1, before.first or str(error))
