"""What every strategy must do, and what makes each of them itself."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

import shoal
from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.cache_aside import CacheAside, Outcome, longest_ttl_ms, strategy_for
from shoal.demo.flash_sale.cache_aside.leased import LeasedCacheAside
from shoal.demo.flash_sale.catalog import Product, ProductId, decode, encode, key_of
from shoal.demo.flash_sale.settings import Mode
from shoal.testing import Cluster

TTL_MS = 60_000
PRODUCT = ProductId(42)

Eventually = Callable[..., Any]


class FakeOrigin:
    """Answers version after version; may be held, or broken."""

    def __init__(self) -> None:
        self.queries = 0
        self.broken = False
        self.held_seconds = 60.0
        self.held: threading.Barrier | threading.Event | None = None
        self._lock = threading.Lock()

    def product(self, product: ProductId) -> Product:
        with self._lock:
            self.queries += 1
            version = self.queries
        if self.held is not None:
            self.held.wait(self.held_seconds)
        if self.broken:
            raise OriginFailed("the database is down")
        return Product(product, version, "Product", 100, 5, 1, 1, 100)

    def close(self) -> None:
        """Nothing is held."""


class Bench:
    """One process of the application, and the database."""

    def __init__(self, mode: Mode, client: shoal.Client, origin: FakeOrigin | None = None) -> None:
        self.client = client
        self.origin = FakeOrigin() if origin is None else origin
        self.strategy: CacheAside = strategy_for(mode, client, ttl_ms=TTL_MS, random=Random(3))

    def read(self) -> tuple[int, Outcome]:
        answer = self.strategy.read(PRODUCT, self.origin)
        return answer.product.version, answer.outcome

    def stored_ttl_ms(self) -> float:
        """Of what a load has just stored; a millisecond less at once."""
        self.read()
        entry = self.client.get_entry(key_of(PRODUCT))
        assert isinstance(entry, shoal.Entry)
        assert entry.ttl is not None
        self.client.delete(key_of(PRODUCT))
        return entry.ttl.total_seconds() * 1_000


@pytest.fixture
def naive(client: shoal.Client) -> Bench:
    return Bench(Mode.NAIVE, client)


@pytest.fixture
def leased(client: shoal.Client) -> Bench:
    return Bench(Mode.LEASED, client)


@pytest.fixture(params=list(Mode))
def bench(request: pytest.FixtureRequest, client: shoal.Client) -> Bench:
    return Bench(request.param, client)


def test_a_miss_is_loaded_and_then_hit(bench: Bench) -> None:
    assert bench.read() == (1, Outcome.LOADED)
    assert bench.read() == (1, Outcome.HIT)
    assert bench.origin.queries == 1
    assert bench.strategy.longest_load_ns > 0


def test_the_longest_load_counts_the_query(bench: Bench) -> None:
    bench.origin.held = threading.Event()  # nobody opens it: each query takes its whole wait
    bench.origin.held_seconds = 0.05
    bench.read()
    assert bench.strategy.longest_load_ns >= 50_000_000


def test_a_deleted_value_is_loaded_again(bench: Bench) -> None:
    bench.read()
    bench.client.delete(key_of(PRODUCT))
    assert bench.read() == (2, Outcome.LOADED)


def test_an_expired_value_is_loaded_again(bench: Bench, cluster: Cluster) -> None:
    bench.read()
    cluster.advance("70s")
    assert bench.read() == (2, Outcome.LOADED)


def test_without_a_cache_the_origin_answers_and_the_failures_are_counted(
    bench: Bench, cluster: Cluster
) -> None:
    with cluster.down():
        assert bench.read() == (1, Outcome.BYPASSED)
        assert bench.read() == (2, Outcome.BYPASSED)
    failures = bench.strategy.failures()
    assert failures.count == 4  # of each read two calls: a get, then a set or a second look
    assert failures.first is not None
    assert "the cluster in memory is down" in failures.first
    assert bench.read() == (3, Outcome.LOADED)


@pytest.mark.parametrize("garbage", [b"", b"{", b"[1,2]", b"\xff", b"null"])
def test_a_value_that_cannot_be_read_is_replaced(bench: Bench, garbage: bytes) -> None:
    bench.client.set(key_of(PRODUCT), garbage, ttl="1m")
    assert bench.read() == (1, Outcome.BYPASSED)
    assert bench.read() == (1, Outcome.HIT)
    assert bench.strategy.failures().count == 1


def test_the_origins_failure_reaches_the_caller_and_stores_nothing(bench: Bench) -> None:
    bench.origin.broken = True
    with pytest.raises(OriginFailed, match="the database is down"):
        bench.read()
    bench.origin.broken = False
    assert bench.read() == (2, Outcome.LOADED)


def test_a_guard_that_lets_nobody_pass_is_the_origins_failure(leased: Bench) -> None:
    leased.origin.broken = True
    refusals = []
    for _ in range(11):
        with pytest.raises(OriginFailed) as caught:
            leased.read()
        refusals.append(str(caught.value))
    assert leased.origin.queries == 10  # then its circuit is open
    assert refusals[-1] != "the database is down"


def test_no_ttl_is_above_the_longest(bench: Bench, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.params["bench"]
    assert max(bench.stored_ttl_ms() for _ in range(200)) <= longest_ttl_ms(mode, TTL_MS)


def test_naive_ttls_are_all_the_same(naive: Bench) -> None:
    for _ in range(20):
        assert naive.stored_ttl_ms() == pytest.approx(TTL_MS, abs=0.01 * TTL_MS)


def test_leased_ttls_spread_over_a_fifth(leased: Bench) -> None:
    ttls_ms = [leased.stored_ttl_ms() for _ in range(500)]
    assert min(ttls_ms) >= 0.89 * TTL_MS
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


def test_a_leased_herd_of_several_processes_queries_once(
    cluster: Cluster, eventually: Eventually
) -> None:
    """Each strategy with a client of its own is a process to the cluster."""
    processes, threads = 3, 4
    origin = FakeOrigin()
    origin.held = opened = threading.Event()
    herd = [Bench(Mode.LEASED, cluster.client(), origin) for _ in range(processes)]
    with ThreadPoolExecutor(processes * threads) as pool:
        found = [pool.submit(bench.read) for bench in herd * threads]
        try:
            eventually(
                lambda: all(waiting_in(bench) == threads for bench in herd), what="everybody waits"
            )
        finally:
            opened.set()
        answers = [future.result(10) for future in found]
    assert Counter(answers) == {
        (1, Outcome.LOADED): 1,
        (1, Outcome.JOINED): processes * threads - 1,
    }
    assert origin.queries == 1


def test_more_callers_than_places_in_front_of_the_origin_wait(
    leased: Bench, eventually: Eventually
) -> None:
    """Of 40 products at once 32 are loaded; the others wait, and nobody is refused."""
    leased.origin.held = opened = threading.Event()
    with ThreadPoolExecutor(40) as pool:
        found = [
            pool.submit(leased.strategy.read, ProductId(number), leased.origin)
            for number in range(1, 41)
        ]
        try:
            eventually(
                lambda: leased.origin.queries == 32 and waiting_in(leased) == 40,
                what="32 load and 8 wait",
            )
        finally:
            opened.set()
        outcomes = Counter(future.result(10).outcome for future in found)
    assert outcomes == {Outcome.LOADED: 40}


def waiting_in(bench: Bench) -> int:
    """How many threads have missed, and load or wait."""
    assert isinstance(bench.strategy, LeasedCacheAside)
    return bench.strategy._cache._runner.flights.waiting


def test_products_survive_the_cache() -> None:
    product = Product(42, 7, 'Quote " and snowman \u2603', 1, -2, 3, 4, 5)
    assert decode(encode(product)) == product
