"""What every strategy must do, and what makes each of them itself."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.cache_aside import (
    CacheAside,
    GuardedCache,
    Loader,
    Outcome,
    longest_ttl_ms,
    strategy_for,
)
from shoal.demo.flash_sale.cache_aside.jittered import JitteredCacheAside
from shoal.demo.flash_sale.catalog import Product, ProductId, decode, encode, key_of
from shoal.demo.flash_sale.settings import Mode

TTL_MS = 60_000
PRODUCT = ProductId(42)


class FakeOrigin:
    """Answers version after version; may be held, or broken."""

    def __init__(self) -> None:
        self.queries = 0
        self.broken = False
        self.held: threading.Barrier | threading.Event | None = None
        self._lock = threading.Lock()

    def product(self, product: ProductId) -> Product:
        with self._lock:
            self.queries += 1
            version = self.queries
        if self.held is not None:
            self.held.wait(10)
        if self.broken:
            raise OriginFailed("the database is down")
        return Product(product, version, "Product", 100, 5, 1, 1, 100)

    def close(self) -> None:
        """Nothing is held."""


class Bench:
    def __init__(self, mode: Mode, cache: Any) -> None:
        self.cache = cache
        self.guarded = GuardedCache(cache)
        self.loader = Loader(self.guarded)
        self.origin = FakeOrigin()
        self.strategy: CacheAside = strategy_for(
            mode, self.guarded, self.loader, ttl_ms=TTL_MS, random=Random(3)
        )

    def read(self) -> tuple[int, Outcome]:
        answer = self.strategy.read(PRODUCT, self.origin)
        return answer.product.version, answer.outcome


@pytest.fixture
def naive(dict_cache: Any) -> Bench:
    return Bench(Mode.NAIVE, dict_cache)


@pytest.fixture
def jittered(dict_cache: Any) -> Bench:
    return Bench(Mode.JITTERED, dict_cache)


@pytest.fixture(params=list(Mode))
def bench(request: pytest.FixtureRequest, dict_cache: Any) -> Bench:
    return Bench(request.param, dict_cache)


def test_a_miss_is_loaded_and_then_hit(bench: Bench) -> None:
    assert bench.read() == (1, Outcome.LOADED)
    assert bench.read() == (1, Outcome.HIT)
    assert bench.origin.queries == 1
    assert bench.loader.longest_ns > 0


def test_a_deleted_value_is_loaded_again(bench: Bench) -> None:
    bench.read()
    bench.cache.delete(key_of(PRODUCT))
    assert bench.read() == (2, Outcome.LOADED)


def test_without_a_cache_the_origin_answers_and_the_failures_are_counted(bench: Bench) -> None:
    bench.cache.broken = True
    assert bench.read() == (1, Outcome.BYPASSED)
    assert bench.read() == (2, Outcome.BYPASSED)
    assert bench.guarded.drain_failures() == 4  # a get and a set each
    assert bench.guarded.drain_failures() == 0
    assert bench.guarded.first_failure == "the cache is down"


@pytest.mark.parametrize("garbage", [b"", b"{", b"[1,2]", b"\xff", b"null"])
def test_a_value_that_cannot_be_read_is_replaced(bench: Bench, garbage: bytes) -> None:
    bench.cache.set(key_of(PRODUCT), garbage, ttl_ms=TTL_MS)
    assert bench.read() == (1, Outcome.BYPASSED)
    assert bench.read() == (1, Outcome.HIT)
    assert bench.guarded.drain_failures() == 1


def test_the_origins_failure_reaches_the_caller_and_stores_nothing(bench: Bench) -> None:
    bench.origin.broken = True
    with pytest.raises(OriginFailed, match="the database is down"):
        bench.read()
    bench.origin.broken = False
    assert bench.read() == (2, Outcome.LOADED)


def test_no_ttl_is_above_the_longest(bench: Bench, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.params["bench"]
    for _ in range(200):
        bench.read()
        bench.cache.delete(key_of(PRODUCT))
    assert len(bench.cache.ttls_ms) == 200
    assert max(bench.cache.ttls_ms) <= longest_ttl_ms(mode, TTL_MS)


def test_naive_ttls_are_all_the_same(naive: Bench) -> None:
    for _ in range(20):
        naive.read()
        naive.cache.delete(key_of(PRODUCT))
    assert set(naive.cache.ttls_ms) == {TTL_MS}


def test_jittered_ttls_spread_over_a_fifth(jittered: Bench) -> None:
    for _ in range(500):
        jittered.read()
        jittered.cache.delete(key_of(PRODUCT))
    ttls_ms = jittered.cache.ttls_ms
    assert min(ttls_ms) >= 0.9 * TTL_MS
    assert max(ttls_ms) <= 1.1 * TTL_MS
    assert max(ttls_ms) - min(ttls_ms) > 0.19 * TTL_MS


def test_a_naive_herd_queries_once_per_caller(naive: Bench) -> None:
    callers = 6
    naive.origin.held = threading.Barrier(callers)  # opens once all of them are querying
    with ThreadPoolExecutor(callers) as pool:
        found = [pool.submit(naive.read) for _ in range(callers)]
        outcomes = Counter(future.result(10)[1] for future in found)
    assert outcomes == {Outcome.LOADED: callers}
    assert naive.origin.queries == callers


def test_a_jittered_herd_queries_once(jittered: Bench, counting_lock: Any) -> None:
    callers = 6
    landed = threading.Event()
    jittered.origin.held = landed
    assert isinstance(jittered.strategy, JitteredCacheAside)
    jittered.strategy._flights._lock = counting_lock
    with ThreadPoolExecutor(callers) as pool:
        found = [pool.submit(jittered.read) for _ in range(callers)]
        counting_lock.wait_until_passed(callers)  # each has found or made the flight
        landed.set()
        answers = [future.result(10) for future in found]
    assert Counter(outcome for _version, outcome in answers) == {
        Outcome.LOADED: 1,
        Outcome.JOINED: callers - 1,
    }
    assert jittered.origin.queries == 1


def test_products_survive_the_cache() -> None:
    product = Product(42, 7, 'Quote " and snowman \u2603', 1, -2, 3, 4, 5)
    assert decode(encode(product)) == product
