"""Cache-aside by the toolkit: one load of a key at a time in the whole cluster.

Callers of one process that miss a key share one load, and of the processes one is given
the cluster's fill lease; the others wait on the key's node and are answered by what that
one stores. The TTL is drawn within +-10 %, so that what was stored together does not
expire together.

The demo tells hits from loads, which ``get_or_load`` alone does not say. So each read
looks first; only what is not found there goes on to the toolkit, which looks again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from random import Random
from typing import Any

import shoal
from shoal.codecs import Serializer
from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.cache_aside.guarded import GuardedClient
from shoal.demo.flash_sale.cache_aside.longest_load import LongestLoad
from shoal.demo.flash_sale.cache_aside.port import Answer, Failures, Outcome
from shoal.demo.flash_sale.catalog import Product, ProductId, decode, encode, key_of
from shoal.demo.flash_sale.origin import ProductReader

JITTER = 0.1
_GUARD = shoal.OriginGuard(max_wait="20s", counts=lambda error: isinstance(error, OriginFailed))
"""Visitors are more patient than the toolkit is by default: a read that is refused in
front of the origin would fail the run."""


def longest_leased_ms(ttl_ms: int) -> int:
    return round(ttl_ms * (1 + JITTER))


class ProductSerializer(Serializer):
    """Stores products as the naive strategy does, so that one look reads both."""

    def encode(self, value: Product, key: bytes) -> bytes:  # noqa: ARG002 - as its base
        return encode(value)

    def decode(self, stored: bytes, key: bytes) -> Any:  # noqa: ARG002 - as its base
        try:
            return decode(stored)
        except (ValueError, TypeError) as error:
            raise shoal.UnreadableValue(f"not a product: {error}") from error


class LeasedCacheAside:
    def __init__(self, client: shoal.Client, *, ttl_ms: int, random: Random) -> None:
        self._look = GuardedClient(client)
        self._cache = client.cache(
            serializer=ProductSerializer(), guard=_GUARD, jitter=JITTER, random=random
        )
        self._longest_load = LongestLoad()
        self._ttl = timedelta(milliseconds=ttl_ms)

    @property
    def longest_load_ns(self) -> int:
        return self._longest_load.ns

    def read(self, product: ProductId, origin: ProductReader) -> Answer:
        key = key_of(product)
        cached = self._look.get(key)
        if isinstance(cached, Product):
            return Answer(cached, Outcome.HIT)
        loads_started_ns: list[int] = []

        def load() -> Product:
            loads_started_ns.append(time.monotonic_ns())
            return origin.product(product)

        try:
            found = self._cache.get_or_load(key, load, ttl=self._ttl)
        except shoal.ShoalError as error:
            # The cache's own failures are misses: this one kept the origin from being asked.
            raise OriginFailed(str(error)) from error
        assert isinstance(found, Product), "the loader never answers ABSENT"
        if loads_started_ns:
            self._longest_load.ended(loads_started_ns[0])
        if cached is not shoal.MISSING:
            return Answer(found, Outcome.BYPASSED)
        return Answer(found, Outcome.LOADED if loads_started_ns else Outcome.JOINED)

    def failures(self) -> Failures:
        looks = self._look.failures()
        return Failures(looks.count + self._cache.stats().cache_failures, looks.first)

    def close(self) -> None:
        self._cache.close()
