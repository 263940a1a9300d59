"""Nothing older than an acknowledged change is ever read: an oracle with a database behind.

Rows of a real database hold a number that only rises. Whoever changes a row notes, once its
cache has acknowledged that, how far the row was; whoever reads notes that first, and must
not be given less. Two caches with clients of their own stand for two processes.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

import shoal
from shoal.testing import Cluster

ROWS = 4
SECONDS = 4.0


class Database:
    """Rows of SQLite, by number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        with self._connection() as connection:
            connection.execute("create table rows (id integer primary key, number integer)")
            connection.executemany(
                "insert into rows values (?, 0)", [(row,) for row in range(ROWS)]
            )

    def read(self, row: int) -> int:
        """Return a row's number, by a query of its own."""
        found = self._connection().execute("select number from rows where id = ?", (row,))
        (number,) = found.fetchone()
        return int(number)

    def write(self, row: int, number: int) -> None:
        """Change a row for good."""
        with self._connection() as connection:
            connection.execute("update rows set number = ? where id = ?", (number, row))

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=30)
        connection: sqlite3.Connection = self._local.connection
        return connection


class Rows:
    """What every thread does to the rows, and what the oracle knows."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.prefix = f"row-{uuid.uuid4()}"
        self.acknowledged = [0] * ROWS
        self.loads = 0
        self.changes = 0
        self._writing = [threading.Lock() for _ in range(ROWS)]

    def load(self, row: int) -> int:
        """Read a row as a loader does: some are slow to come back with what they read."""
        self.loads += 1
        number = self.database.read(row)
        sleep(random.choice([0, 0, 0.001, 0.005, 0.02]))
        return number

    def tag(self, row: int) -> str:
        return f"{self.prefix}:{row % 2}"

    def region(self, cache: Any, row: int) -> Any:
        """Of one row, so that it has a tag of its own."""
        return cache.region(
            self.prefix,
            load=self.load,
            store=self.database.write,
            remove=lambda _: None,
            ttl="10m",
            fresh="10ms",
            tags=[self.tag(row), f"{self.prefix}:all"],
        )

    def change(self, client: Any, cache: Any, region: Any, row: int) -> None:
        """Change a row, and the cache after it; then everybody owes the new number."""
        with self._writing[row]:
            number = self.database.read(row) + 1
            how = random.choice(["delete", "tag", "all", "put", "client"])
            if how == "put":
                region.put(row, number)
            else:
                self.database.write(row, number)
                if how == "delete":
                    cache.delete(f"{self.prefix}:{row}")
                elif how == "tag":
                    cache.invalidate_tag(self.tag(row))
                elif how == "all":
                    cache.invalidate_tag(f"{self.prefix}:all")
                else:
                    client.invalidate_tag(self.tag(row))
            self.acknowledged[row] = number
            self.changes += 1

    def check(self, region: Any, row: int) -> None:
        """Read a row through the cache; fail where it is older than what was acknowledged."""
        owed = self.acknowledged[row]
        found = region.get(row)
        assert found >= owed, f"row {row} is {found}, and {owed} was acknowledged before the read"


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.cluster)])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    memory = Cluster()
    made = []

    def make() -> Any:
        if request.param == "memory":
            made.append(memory.client(timeout="10s"))
        else:
            seeds = request.getfixturevalue("cluster").addresses
            made.append(shoal.Client(seeds, timeout="10s"))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_nothing_older_than_an_acknowledged_change_is_read(connect, tmp_path) -> None:
    rows = Rows(Database(tmp_path / "rows.db"))
    clients = [connect(), connect()]
    caches = [client.cache() for client in clients]
    regions = [[rows.region(cache, row) for row in range(ROWS)] for cache in caches]
    ends_at = monotonic() + SECONDS

    def work(number: int) -> int:
        process = number % 2
        reads = 0
        while monotonic() < ends_at:
            row = random.randrange(ROWS)
            region = regions[process][row]
            if number < 2 or random.random() < 0.02:
                rows.change(clients[process], caches[process], region, row)
                sleep(random.choice([0, 0.002, 0.01]))
            else:
                rows.check(region, row)
                reads += 1
        return reads

    with ThreadPoolExecutor(8) as pool:
        reads = sum(pool.map(work, range(8)))
    for cache in caches:
        cache.close()
    stats = [cache.stats() for cache in caches]
    assert rows.changes > 20
    assert reads > 100
    assert rows.loads > 20
    # The races that it is about did happen.
    assert sum(one.overtaken for one in stats) > 0
    assert sum(one.hits + one.stale for one in stats) > 0
