"""The origin on a running PostgreSQL, through psycopg 3.

Everything lives in a schema of the run's own, which ``drop`` removes. The tables are
UNLOGGED: they are gone after the run, and filling them is quicker. Reads go to the
server that commits, never to a standby, which may lag behind a commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

try:
    import psycopg
    from psycopg import sql
except ImportError as error:
    raise OriginFailed(
        "--origin postgresql://... needs psycopg 3: pip install 'shoal[demo]'."
    ) from error

_Connection = psycopg.Connection[tuple[Any, ...]]
_QUERY = PRODUCT_QUERY.format(day=COUNTED_FROM_DAY, product="%s")

_TABLES = """
CREATE UNLOGGED TABLE products (
    id bigint NOT NULL, name text NOT NULL, price_cents bigint NOT NULL,
    stock bigint NOT NULL, version bigint NOT NULL);
CREATE UNLOGGED TABLE orders (
    id bigint NOT NULL, product_id bigint NOT NULL, customer_id bigint NOT NULL,
    quantity integer NOT NULL, unit_cents integer NOT NULL, ordered_day integer NOT NULL);
CREATE UNLOGGED TABLE price_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
    version bigint NOT NULL, price_cents bigint NOT NULL, committed_ns bigint,
    deleted_ns bigint, UNIQUE (product_id, version));
"""

_FILL_PRODUCTS = """
INSERT INTO products
SELECT i, 'Product ' || i, 500 + (i * 7919) %% 20000, 1000000, %(version)s
  FROM generate_series(1, %(products)s) AS i
"""

_FILL_ORDERS = """
INSERT INTO orders
SELECT i,
       CASE WHEN i %% %(viral_every)s = 0 THEN %(viral)s
            ELSE 1 + floor(%(products)s * power(random(), 2)) END,
       floor(random() * %(customers)s), 1 + floor(random() * 3), 500 + floor(random() * 20000),
       floor(random() * %(days)s)
  FROM generate_series(1, %(orders)s) AS i
"""

_INDEXES = """
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE INDEX orders_by_product ON orders (product_id, ordered_day);
ANALYZE products;
ANALYZE orders;
"""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise OriginFailed(f"PostgreSQL refused: {error}") from error


class PostgresqlProductReader:
    def __init__(self, connection: _Connection, log: QueryLog) -> None:
        self._connection = connection
        self._log = log

    def product(self, product: ProductId) -> Product:
        with _translated(), self._log.record(product):
            row = self._connection.execute(_QUERY, (product,)).fetchone()
        if row is None:
            raise OriginFailed(f"There is no product {product}.")
        product_id, version, name, price_cents, *numbers = row
        # PostgreSQL sums bigints as numeric, which arrives as Decimal.
        return Product(product_id, version, name, price_cents, *(int(number) for number in numbers))

    def close(self) -> None:
        self._connection.close()


class PostgresqlPriceWriter:
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def change_price(self, product: ProductId, price_cents: int) -> int:
        with _translated(), self._connection.transaction():
            row = self._connection.execute(
                "UPDATE products SET price_cents = %s, version = version + 1 WHERE id = %s "
                "RETURNING version",
                (price_cents, product),
            ).fetchone()
            if row is None:
                raise OriginFailed(f"There is no product {product}.")
            version = int(row[0])
            self._connection.execute(
                "INSERT INTO price_history (product_id, version, price_cents) VALUES (%s, %s, %s)",
                (product, version, price_cents),
            )
        return version

    def stamp(self, change: PriceChange) -> None:
        with _translated():
            self._connection.execute(
                "UPDATE price_history SET committed_ns = %s, deleted_ns = %s "
                "WHERE product_id = %s AND version = %s",
                (change.committed_ns, change.deleted_ns, change.product_id, change.version),
            )

    def close(self) -> None:
        self._connection.close()


class PostgresqlCatalog:
    """A catalog in the schema ``schema`` of the database at ``url``; it owns the schema."""

    def __init__(self, url: str, *, schema: str) -> None:
        self._url = url
        self._schema = sql.Identifier(schema)
        self._connection = self._connect()

    def _connect(self) -> _Connection:
        with _translated():
            connection = psycopg.connect(
                self._url, autocommit=True, application_name="shoal demo flash-sale"
            )
            connection.execute(sql.SQL("SET search_path TO {}").format(self._schema))
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
        with _translated(), self._connection.transaction():
            self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(self._schema))
            self._connection.execute(_TABLES)
            self._connection.execute("SELECT setseed(0.42)")
            self._connection.execute(_FILL_PRODUCTS, sizes)
            self._connection.execute(_FILL_ORDERS, sizes)
            self._connection.execute(_INDEXES)

    def reader(self, log: QueryLog) -> PostgresqlProductReader:
        return PostgresqlProductReader(self._connect(), log)

    def writer(self) -> PostgresqlPriceWriter:
        return PostgresqlPriceWriter(self._connect())

    def history(self, skip: int) -> list[PriceChange]:
        with _translated():
            rows = self._connection.execute(
                "SELECT product_id, version, committed_ns, deleted_ns FROM price_history "
                "WHERE committed_ns IS NOT NULL ORDER BY id OFFSET %s",
                (skip,),
            ).fetchall()
        return [PriceChange(*row) for row in rows]

    def latest_version(self, product: ProductId) -> int:
        with _translated():
            row = self._connection.execute(
                "SELECT version FROM products WHERE id = %s", (product,)
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def close(self) -> None:
        self._connection.close()

    def drop(self) -> None:
        with _translated():
            if self._connection.closed:
                self._connection = self._connect()
            self._connection.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(self._schema)
            )
        self._connection.close()
