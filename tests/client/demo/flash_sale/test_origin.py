"""One suite, run on every origin."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from shoal.demo.failures import OriginFailed
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, CatalogShape, PriceChange, ProductId
from shoal.demo.flash_sale.origin import Catalog, OriginAddress, open_catalog
from shoal.demo.flash_sale.query_log import QueryLog


def test_a_product_is_joined_with_its_orders(catalog: Catalog, shape: CatalogShape) -> None:
    reader = catalog.reader(QueryLog())
    viral = reader.product(VIRAL_PRODUCT)
    reader.close()
    assert (viral.product_id, viral.version, viral.name) == (42, 1, "Product 42")
    # About half of its orders lie in the days that count.
    assert 0.25 < viral.orders / shape.viral_orders < 0.75
    assert 0 < viral.buyers <= viral.orders
    assert viral.revenue_cents > 0
    assert all(type(value) in (int, str) for value in _fields(viral))


def test_the_best_sellers_have_more_orders(catalog: Catalog) -> None:
    reader = catalog.reader(QueryLog())
    orders = [reader.product(ProductId(number)).orders for number in (1, 2, 3, 298, 299, 300)]
    reader.close()
    assert sum(orders[:3]) > 3 * sum(orders[3:])


def test_a_product_without_orders_is_answered(catalog: Catalog) -> None:
    reader = catalog.reader(QueryLog())
    products = [reader.product(ProductId(number)) for number in range(1, 301)]
    reader.close()
    assert {product.product_id for product in products} == set(range(1, 301))


def test_every_query_is_logged_by_the_adapter(catalog: Catalog, ordinary: ProductId) -> None:
    log = QueryLog()
    reader = catalog.reader(log)
    reader.product(VIRAL_PRODUCT)
    reader.product(ordinary)
    reader.product(ordinary)
    reader.close()
    queries = log.drain()
    assert (len(queries.viral), len(queries.other)) == (1, 2)


def test_a_commit_is_seen_by_the_next_read(catalog: Catalog, ordinary: ProductId) -> None:
    reader, writer = catalog.reader(QueryLog()), catalog.writer()
    assert reader.product(ordinary).version == 1
    assert writer.change_price(ordinary, 1_234) == 2
    read = reader.product(ordinary)
    reader.close()
    writer.close()
    assert (read.version, read.price_cents) == (2, 1_234)
    assert catalog.latest_version(ordinary) == 2


def test_the_history_holds_stamped_changes_in_order(catalog: Catalog, ordinary: ProductId) -> None:
    writer = catalog.writer()
    first = PriceChange(ordinary, writer.change_price(ordinary, 1), 100, 110)
    writer.stamp(first)
    second = PriceChange(VIRAL_PRODUCT, writer.change_price(VIRAL_PRODUCT, 2), 200, None)
    assert catalog.history(0) == [first]
    writer.stamp(second)
    writer.close()
    assert catalog.history(0) == [first, second]
    assert catalog.history(1) == [second]
    assert catalog.history(2) == []


def test_an_unknown_product_is_an_error_and_changes_nothing(catalog: Catalog) -> None:
    reader, writer = catalog.reader(QueryLog()), catalog.writer()
    with pytest.raises(OriginFailed, match="no product 9999"):
        reader.product(ProductId(9_999))
    with pytest.raises(OriginFailed, match="no product 9999"):
        writer.change_price(ProductId(9_999), 1)
    assert writer.change_price(VIRAL_PRODUCT, 1) == 2
    assert catalog.latest_version(ProductId(9_999)) == 0
    reader.close()
    writer.close()


def test_a_drivers_error_leaves_as_origin_failed(catalog: Catalog, ordinary: ProductId) -> None:
    reader = catalog.reader(QueryLog())
    reader.close()
    with pytest.raises(OriginFailed):
        reader.product(ordinary)


def test_dropping_removes_the_file(tmp_path: Path, shape: CatalogShape) -> None:
    path = tmp_path / "dropped.db"
    catalog = open_catalog(OriginAddress(f"sqlite:{path}", "unused"))
    catalog.prepare(shape)
    catalog.close()
    catalog.drop()
    assert list(tmp_path.iterdir()) == []


def test_dropping_removes_the_schema(postgresql_url: str, shape: CatalogShape) -> None:
    import psycopg

    catalog = open_catalog(OriginAddress(postgresql_url, "shoal_test_dropped"))
    catalog.prepare(shape)
    catalog.close()
    catalog.drop()
    with psycopg.connect(postgresql_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'shoal_test_dropped'"
        ).fetchone()
    assert found == (0,)


def test_an_unreachable_postgresql_is_a_sentence() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(OriginFailed, match="PostgreSQL refused"):
        open_catalog(OriginAddress("postgresql://demo@127.0.0.1:1/none", "unused"))


def test_sqlite_reads_through_the_index(sqlite_catalog: Catalog, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE product_id = 1 AND ordered_day >= 3"
        ).fetchall()
    connection.close()
    assert "orders_by_product" in str(plan)


def _fields(product: object) -> list[object]:
    return [getattr(product, name) for name in type(product).__slots__]  # type: ignore[attr-defined]
