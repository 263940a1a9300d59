"""The origin on SQLite: one file, WAL mode, so that readers never wait for the updater.

``synchronous`` is off: the file lives for one run, and a crash of the machine ends the
run anyway. Commits stay atomic, and visible to every connection when they return.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.catalog import (
    COUNTED_FROM_DAY,
    CUSTOMERS,
    FIRST_VERSION,
    ORDER_DAYS,
    PRODUCT_QUERY,
    VIRAL_PRODUCT,
    CatalogShape,
    PriceChange,
    Product,
    ProductId,
)
from shoal.demo.flash_sale.query_log import QueryLog

_QUERY = PRODUCT_QUERY.format(day=COUNTED_FROM_DAY, product="?")
_BUSY_SECONDS = 10.0
_MAPPED_BYTES = 512 * 1024 * 1024

_TABLES = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL,
    stock INTEGER NOT NULL, version INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, customer_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL, ordered_day INTEGER NOT NULL);
CREATE TABLE price_history (
    id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, version INTEGER NOT NULL,
    price_cents INTEGER NOT NULL, committed_ns INTEGER, deleted_ns INTEGER,
    UNIQUE (product_id, version));
"""

_FILL_PRODUCTS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :products)
INSERT INTO products
SELECT i, 'Product ' || i, 500 + (i * 7919) % 20000, 1000000, :version FROM n
"""

# ``r`` runs through a linear congruential generator (Numerical Recipes' constants): the
# same orders in every run. The square of a uniform number makes low ids sell more.
_FILL_ORDERS = """
WITH RECURSIVE n (i, r) AS (
    SELECT 1, 2654435761
    UNION ALL SELECT i + 1, (r * 1664525 + 1013904223) & 4294967295 FROM n WHERE i < :orders)
INSERT INTO orders
SELECT i,
       CASE WHEN i % :viral_every = 0 THEN :viral
            ELSE 1 + CAST(:products * ((r >> 8) / 16777216.0) * ((r >> 8) / 16777216.0) AS INTEGER)
       END,
       (r >> 5) % :customers, 1 + (r >> 13) % 3, 500 + (r >> 7) % 20000, (r >> 9) % :days
  FROM n
"""

_INDEX = "CREATE INDEX orders_by_product ON orders (product_id, ordered_day)"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OriginFailed(f"SQLite refused: {error}") from error


class SqliteProductReader:
    def __init__(self, connection: sqlite3.Connection, log: QueryLog) -> None:
        self._connection = connection
        self._log = log

    def product(self, product: ProductId) -> Product:
        with _translated(), self._log.record(product):
            row = self._connection.execute(_QUERY, (product,)).fetchone()
        if row is None:
            raise OriginFailed(f"There is no product {product}.")
        return Product(*row)

    def close(self) -> None:
        self._connection.close()


class SqlitePriceWriter:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def change_price(self, product: ProductId, price_cents: int) -> int:
        with _translated(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            row = self._connection.execute(
                "UPDATE products SET price_cents = ?, version = version + 1 WHERE id = ? "
                "RETURNING version",
                (price_cents, product),
            ).fetchone()
            if row is None:
                raise OriginFailed(f"There is no product {product}.")
            version = int(row[0])
            self._connection.execute(
                "INSERT INTO price_history (product_id, version, price_cents) VALUES (?, ?, ?)",
                (product, version, price_cents),
            )
        return version

    def stamp(self, change: PriceChange) -> None:
        with _translated():
            self._connection.execute(
                "UPDATE price_history SET committed_ns = ?, deleted_ns = ? "
                "WHERE product_id = ? AND version = ?",
                (change.committed_ns, change.deleted_ns, change.product_id, change.version),
            )

    def close(self) -> None:
        self._connection.close()


class SqliteCatalog:
    """A catalog in the file ``path``, which it owns."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        with _translated():
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        return connection

    def prepare(self, shape: CatalogShape) -> None:
        sizes = {
            "products": shape.products,
            "orders": shape.orders,
            "viral_every": shape.viral_every,
            "viral": VIRAL_PRODUCT,
            "customers": CUSTOMERS,
            "days": ORDER_DAYS,
            "version": FIRST_VERSION,
        }
        with _translated():
            self._connection.executescript(_TABLES)
            self._connection.execute("BEGIN")
            self._connection.execute(_FILL_PRODUCTS, sizes)
            self._connection.execute(_FILL_ORDERS, sizes)
            self._connection.execute(_INDEX)
            self._connection.execute("COMMIT")
            self._connection.execute("ANALYZE")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def reader(self, log: QueryLog) -> SqliteProductReader:
        return SqliteProductReader(self._connect(), log)

    def writer(self) -> SqlitePriceWriter:
        return SqlitePriceWriter(self._connect())

    def history(self, skip: int) -> list[PriceChange]:
        with _translated():
            rows = self._connection.execute(
                "SELECT product_id, version, committed_ns, deleted_ns FROM price_history "
                "WHERE committed_ns IS NOT NULL ORDER BY id LIMIT -1 OFFSET ?",
                (skip,),
            ).fetchall()
        return [PriceChange(*row) for row in rows]

    def latest_version(self, product: ProductId) -> int:
        with _translated():
            row = self._connection.execute(
                "SELECT version FROM products WHERE id = ?", (product,)
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def close(self) -> None:
        self._connection.close()

    def drop(self) -> None:
        self._connection.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
