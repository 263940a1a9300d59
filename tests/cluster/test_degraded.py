"""Something is slow or gone, with real nodes, a real database and callers who go on.

Each test takes the same course: as it is in health, while the fault lasts, and after it.
While it lasts callers see what `docs/degraded.md` says and nothing else, no value is
wrong, and the database is asked by no more than the guards let pass. Within 30 s after
its end everything is as it was: no load that keeps itself alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster, Shape
from tools.soak.proxies import Proxies

import shoal
from degraded import CLIENTS, MAX_LOADS, Crowd, Database, Seen

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

HEALTHY_SECONDS = 3.0
FAULT_SECONDS = 4.0
RECOVERY_SECONDS_MAX = 30.0
SHAPE = Shape(nodes=2, replicas=0, partitions=16)

REFUSED = {"ORIGIN_BUSY", "DeadlineExceeded"}
"""Of those who wait for a place at the origin (``max_wait``), or for who has one
(``max_join``)."""

Fault = tuple[Callable[[], object], Callable[[], object]]
"""What begins it, and what ends it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(SHAPE, Proxies(), tmp_path_factory.mktemp("degraded")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """The one cluster, after whatever the test before did to it."""
    running.wait_until_served()
    return running


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "rows.sqlite")


def suffer(crowd: Crowd, database: Database, fault: Fault, allowed: set[str]) -> tuple[Seen, Seen]:
    """Go through health, fault and recovery; return what was seen in the first two."""
    crowd.watched(1.5)
    healthy = crowd.watched(HEALTHY_SECONDS)
    assert healthy.failures == 0, healthy
    begin, end = fault
    during = crowd.watched(FAULT_SECONDS, begin)
    end()
    ended = time.monotonic()
    while not as_before(after := crowd.watched(1.0), healthy):
        assert time.monotonic() < ended + RECOVERY_SECONDS_MAX, f"{after}, before: {healthy}"
    after_seconds = time.monotonic() - ended
    print(f"\nhealthy: {healthy}\nduring:  {during}\nafter {after_seconds:.0f} s: {after}")
    assert not crowd.wrong
    assert set(during.outcomes) <= allowed, during
    assert database.most_asking <= CLIENTS * MAX_LOADS
    return healthy, during


def as_before(now: Seen, healthy: Seen) -> bool:
    """Generous, as the machine may be busy; what feeds itself is worse by orders."""
    return (
        now.failures == 0
        and now.per_second >= healthy.per_second / 3
        and now.median_ms <= healthy.median_ms * 4 + 20
        and now.loads_per_second <= healthy.loads_per_second * 3 + 20
    )


def test_a_slow_cache(cluster: Cluster, database: Database) -> None:
    held_back = []

    def slow_down() -> None:
        for node in cluster.nodes:
            cluster.network.slow(node, 2_000)

    def heal() -> None:
        held_back.append(cluster.network.stopped())
        cluster.network.heal()

    with Crowd(cluster.seeds, database) as crowd:
        _, during = suffer(crowd, database, (slow_down, heal), {"served", *REFUSED})
        assert held_back[0] > 0
        assert during.outcomes["served"] > 0


def test_a_cache_that_is_down(cluster: Cluster, database: Database) -> None:
    def kill() -> None:
        for node in cluster.nodes.values():
            node.kill()

    def start() -> None:
        for node in cluster.nodes.values():
            node.start()

    with Crowd(cluster.seeds, database) as crowd:
        fault = (kill, start)
        _, during = suffer(crowd, database, fault, {"served", *REFUSED})
        assert during.outcomes["served"] > 0
        assert during.loads_per_second > 0


def test_a_slow_origin(cluster: Cluster, database: Database) -> None:
    with Crowd(cluster.seeds, database) as crowd:
        fault = (lambda: database.lock(queries_wait=True), database.unlock)
        allowed = {"served", *REFUSED}
        _, during = suffer(crowd, database, fault, allowed)
        # Those that wait are all that it has: nobody else may ask.
        assert database.most_asking == CLIENTS * MAX_LOADS
        assert during.loads_per_second * FAULT_SECONDS < 200


def test_an_origin_that_is_down(cluster: Cluster, database: Database) -> None:
    with Crowd(cluster.seeds, database) as crowd:
        fault = (lambda: database.lock(queries_wait=False), database.unlock)
        allowed = {"served", "OperationalError", "CIRCUIT_OPEN", *REFUSED}
        healthy, during = suffer(crowd, database, fault, allowed)
        # What failed in its last second of life is served on, and the circuit spares the origin.
        assert during.outcomes["served"] > during.failures
        assert during.loads_per_second < healthy.loads_per_second


def test_a_partition_without_an_owner(cluster: Cluster, database: Database) -> None:
    primaries = cluster.primaries("node-1")
    assert 0 < len(primaries) < SHAPE.partitions

    with Crowd(cluster.seeds, database) as crowd:
        node = cluster.nodes["node-1"]
        _, during = suffer(crowd, database, (node.kill, node.start), {"served", *REFUSED})
        # The other node's partitions are served as ever.
        assert during.outcomes["served"] > during.failures


def test_all_near_caches_cold_at_once(cluster: Cluster, database: Database) -> None:
    near = shoal.NearCache(without_grant="800ms")
    with Crowd(cluster.seeds, database, near) as crowd:
        fault = (crowd.connect, lambda: None)
        healthy, during = suffer(crowd, database, fault, {"served"})
        # The nodes answer what the clients' memories had: the database hears nothing of it.
        assert during.loads_per_second <= healthy.loads_per_second * 2 + 20
