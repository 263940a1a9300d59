"""The shop: products, their orders, and the history of their prices.

Pure values and SQL that every origin shares. Product ids are popularity ranks: id 1 is
the best seller. ``VIRAL_PRODUCT`` is an ordinary id that has many orders already, so
that its query is the most expensive one: exactly the row that should not be asked for
by everyone at once.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from typing import NewType

ProductId = NewType("ProductId", int)

VIRAL_PRODUCT = ProductId(42)
ORDER_DAYS = 60
"""Orders are spread over this many days ..."""
COUNTED_FROM_DAY = 30
"""... and the product page counts those of the last half."""
FIRST_VERSION = 1
CUSTOMERS = 50_000


@dataclass(frozen=True, slots=True)
class CatalogShape:
    """How much data there is. ``viral_orders`` decides what the viral query costs."""

    products: int = 200_000
    orders: int = 800_000
    viral_orders: int = 28_000

    @property
    def viral_every(self) -> int:
        """Every so-many-th order is for the viral product."""
        return self.orders // self.viral_orders


@dataclass(frozen=True, slots=True)
class Product:
    """What the product page shows, and what the cache holds, as JSON."""

    product_id: int
    version: int
    """Of the price: rises by one with every change."""
    name: str
    price_cents: int
    stock: int
    orders: int
    buyers: int
    revenue_cents: int


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One row of ``price_history``, with what the updater saw around the commit.

    ``committed_ns`` was read after the commit returned, ``deleted_ns`` after the delete
    in the cache returned (``None``: it failed). Both are the machine's CLOCK_MONOTONIC.
    """

    product_id: int
    version: int
    committed_ns: int
    deleted_ns: int | None


def key_of(product: ProductId) -> str:
    return f"product:{product}"


def encode(product: Product) -> bytes:
    return json.dumps(astuple(product), separators=(",", ":")).encode()


def decode(value: bytes) -> Product:
    """Raises ``ValueError`` or ``TypeError`` on what ``encode`` did not write."""
    return Product(*json.loads(value))


PRODUCT_QUERY = """
SELECT p.id, p.version, p.name, p.price_cents,
       p.stock - COALESCE(SUM(o.quantity), 0),
       COUNT(o.id),
       COUNT(DISTINCT o.customer_id),
       COALESCE(SUM(o.quantity * o.unit_cents), 0)
  FROM products p
  LEFT JOIN orders o ON o.product_id = p.id AND o.ordered_day >= {day}
 WHERE p.id = {product}
 GROUP BY p.id
"""
"""The product page: a join and an aggregate over the product's recent orders."""
