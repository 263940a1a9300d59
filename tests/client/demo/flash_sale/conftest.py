"""Stand-ins and databases for the flash-sale tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import shoal
from shoal.demo.events import Event, EventKind
from shoal.demo.flash_sale.cache_aside import Outcome
from shoal.demo.flash_sale.catalog import CatalogShape, Product, ProductId
from shoal.demo.flash_sale.ledger import Ledger
from shoal.demo.flash_sale.messages import UpdaterTick, WorkerTick
from shoal.demo.flash_sale.origin import Catalog, OriginAddress, open_catalog
from shoal.demo.flash_sale.query_log import Queries
from shoal.demo.flash_sale.report import Report, report_of
from shoal.demo.flash_sale.settings import Mode, Settings
from shoal.demo.flash_sale.tally import Tally
from shoal.testing import Cluster

SHAPE = CatalogShape(products=300, orders=3_000, viral_orders=300)


class StubbornClient:
    """The worst cache there can be: it ignores deletes, TTLs and newer values."""

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | shoal.MissingType:
        return self._entries.get(key, shoal.MISSING)

    def set(self, key: str, value: bytes, *, ttl: timedelta) -> None:
        self._entries.setdefault(key, value)

    def delete(self, key: str) -> int:
        return int(key in self._entries)


@pytest.fixture
def stubborn_client() -> StubbornClient:
    return StubbornClient()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[shoal.Client]:
    with cluster.client() as made:
        yield made


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
def leased_report() -> Report:
    return _report(Mode.LEASED, viral_ms=[50], viral_misses_ms=[])
