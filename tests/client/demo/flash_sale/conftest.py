"""Stand-ins and databases for the flash-sale tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shoal.demo.events import Event, EventKind
from shoal.demo.failures import CacheFailed
from shoal.demo.flash_sale.cache import MISSING, Missing
from shoal.demo.flash_sale.cache_aside import Outcome
from shoal.demo.flash_sale.catalog import CatalogShape, Product, ProductId
from shoal.demo.flash_sale.ledger import Ledger
from shoal.demo.flash_sale.messages import UpdaterTick, WorkerTick
from shoal.demo.flash_sale.origin import Catalog, OriginAddress, open_catalog
from shoal.demo.flash_sale.query_log import Queries
from shoal.demo.flash_sale.report import Report, report_of
from shoal.demo.flash_sale.settings import Mode, Settings
from shoal.demo.flash_sale.tally import Tally

SHAPE = CatalogShape(products=300, orders=3_000, viral_orders=300)


class DictCache:
    """A cache in this process.

    ``broken`` makes every call fail. ``keeps_for_ever`` makes it ignore deletes, TTLs and
    newer values: the worst cache there can be.
    """

    def __init__(self) -> None:
        self.broken = False
        self.keeps_for_ever = False
        self.ttls_ms: list[int] = []
        self.on_delete: Callable[[str], None] = lambda key: None
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[bytes, float]] = {}

    def get(self, key: str) -> bytes | Missing:
        self._check()
        with self._lock:
            value, deadline = self._entries.get(key, (b"", 0.0))
        return value if time.monotonic() < deadline else MISSING

    def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        self._check()
        with self._lock:
            self.ttls_ms.append(ttl_ms)
            if self.keeps_for_ever and key in self._entries:
                return
            lives_seconds = 1e9 if self.keeps_for_ever else ttl_ms / 1_000
            self._entries[key] = (value, time.monotonic() + lives_seconds)

    def delete(self, key: str) -> None:
        self._check()
        self.on_delete(key)
        with self._lock:
            if not self.keeps_for_ever:
                self._entries.pop(key, None)

    def close(self) -> None:
        self._entries.clear()

    def _check(self) -> None:
        if self.broken:
            raise CacheFailed("the cache is down")


class CountingLock:
    """A lock that tells how often it was held: ``passed`` has one permit for each time."""

    def __init__(self) -> None:
        self.passed = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self.passed.release()

    def wait_until_passed(self, times: int) -> None:
        for _ in range(times):
            assert self.passed.acquire(timeout=10)


@pytest.fixture
def counting_lock() -> CountingLock:
    return CountingLock()


@pytest.fixture
def dict_cache() -> DictCache:
    return DictCache()


@pytest.fixture(scope="session")
def shape() -> CatalogShape:
    return SHAPE


@pytest.fixture
def sqlite_catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = open_catalog(OriginAddress(f"sqlite:{tmp_path / 'shop.db'}", "unused"))
    catalog.prepare(SHAPE)
    yield catalog
    catalog.drop()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A running PostgreSQL: $SHOAL_TEST_POSTGRESQL, or one of our own where it is installed."""
    given = os.environ.get("SHOAL_TEST_POSTGRESQL")
    if given is not None:
        yield given
        return
    pytest.importorskip("psycopg")
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    # PostgreSQL refuses to run as root.
    user: Any = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    base = Path(tempfile.mkdtemp(prefix="shoal-test-pg-"))  # "nobody" cannot enter tmp_path
    if user:
        shutil.chown(base, "nobody", "nogroup")
    data, port = base / "data", _free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {base}"

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, cwd=base, stdout=subprocess.DEVNULL, **user)

    try:
        run(initdb, "-D", data, "-U", "demo", "-A", "trust", "--no-sync")
        run(pg_ctl, "-D", data, "-o", settings, "-l", base / "log", "-w", "start")
        try:
            yield f"postgresql://demo@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(base)


@pytest.fixture
def postgresql_catalog(postgresql_url: str) -> Iterator[Catalog]:
    catalog = open_catalog(OriginAddress(postgresql_url, f"shoal_test_{uuid4().hex[:12]}"))
    catalog.prepare(SHAPE)
    yield catalog
    catalog.drop()


@pytest.fixture(params=["sqlite_catalog", "postgresql_catalog"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    found: Catalog = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def ordinary() -> ProductId:
    """A product that is not the viral one."""
    return ProductId(7)


def _program(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SECOND_NS = 1_000_000_000


def _report(mode: Mode, *, viral_ms: list[int], viral_misses_ms: list[int]) -> Report:
    """Of five seconds in which the viral key was queried at ``viral_ms``, for 20 ms each."""
    settings = Settings(mode=mode, seconds=5, ttl_ms=1_000, workers=2, threads=4, products=300)
    ledger = Ledger(settings, begin_ns=SECOND_NS)
    tally, queries = Tally(), Queries()
    for index in range(30):
        started_ns = SECOND_NS + index * 150_000_000
        product = Product(index + 1, 1, "Product", 1, 1, 1, 1, 1)
        tally.served(product, Outcome.HIT, started_ns=started_ns, ended_ns=started_ns + 2_000_000)
    for at_ms in viral_ms:
        started_ns = SECOND_NS + at_ms * 1_000_000
        queries.viral.add(started_ns, started_ns + 20_000_000)
    misses_ns = array("q", (SECOND_NS + at_ms * 1_000_000 for at_ms in viral_misses_ms))
    ledger.take_worker(WorkerTick(tally, queries, misses_ns, 0, None, 20_000_000, last=True))
    ledger.take_updater(UpdaterTick(0, 0, 0, 6 * SECOND_NS, last=True), [])
    ledger.events.append(Event(EventKind.SALE_STARTS, 2 * SECOND_NS, "sale starts"))
    ledger.close_second(6 * SECOND_NS)
    ledger.finish()
    staleness = ledger.oracle.verdict(longest_load_ns=0, latest_version=lambda product_id: 1)
    return report_of(ledger, staleness, origin="SQLite")


@pytest.fixture
def report() -> Report:
    """One query before the sale, and a herd of three in it."""
    return _report(Mode.NAIVE, viral_ms=[50, 2_000, 2_005, 2_015], viral_misses_ms=[2_000])


@pytest.fixture
def jittered_report() -> Report:
    return _report(Mode.JITTERED, viral_ms=[50], viral_misses_ms=[])
