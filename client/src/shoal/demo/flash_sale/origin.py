"""The database behind the cache, as ports. SQLite and PostgreSQL stand behind them.

Contract, the same for both (``tests/client/demo/flash_sale`` runs one suite on each):

- A read that begins after a commit returned sees that commit.
- Every query for a product is written into the ``QueryLog`` by the adapter itself, with
  its start and its end, also when it fails.
- A reader and a writer belong to one thread. A catalog may be used by one thread too;
  each process opens its own.
- Whatever the driver raises leaves as ``OriginFailed``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shoal.demo.flash_sale.catalog import CatalogShape, PriceChange, Product, ProductId
from shoal.demo.flash_sale.query_log import QueryLog

SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class OriginAddress:
    """Where a run's database is; plain, so that it can be sent to another process.

    ``url`` is ``sqlite:PATH`` or ``postgresql://...``. ``schema`` is the run's own
    schema there (unused by SQLite, where the file is the run's own).
    """

    url: str
    schema: str


class ProductReader(Protocol):
    """One connection that reads products."""

    def product(self, product: ProductId) -> Product: ...

    def close(self) -> None: ...


class PriceWriter(Protocol):
    """One connection that changes prices."""

    def change_price(self, product: ProductId, price_cents: int) -> int:
        """Changes the price and adds to the history in one transaction.

        Returns the new version, right after the commit returned.
        """
        ...

    def stamp(self, change: PriceChange) -> None:
        """Writes into the history when the change was committed and deleted."""
        ...

    def close(self) -> None: ...


class Catalog(Protocol):
    """The run's database as a whole."""

    def prepare(self, shape: CatalogShape) -> None:
        """Creates the tables and fills them."""
        ...

    def reader(self, log: QueryLog) -> ProductReader: ...

    def writer(self) -> PriceWriter: ...

    def history(self, skip: int) -> list[PriceChange]:
        """Stamped changes in the order of their commits, without the first ``skip``."""
        ...

    def latest_version(self, product: ProductId) -> int: ...

    def close(self) -> None: ...

    def drop(self) -> None:
        """Removes all that ``prepare`` made, and closes. Safe to call at any point."""
        ...


def open_catalog(address: OriginAddress) -> Catalog:
    """The catalog at ``address``. Raises ``OriginFailed`` when its driver is missing."""
    if address.url.startswith(f"{SQLITE}:"):
        from shoal.demo.flash_sale.origin_sqlite import SqliteCatalog

        return SqliteCatalog(address.url.removeprefix(f"{SQLITE}:"))
    from shoal.demo.flash_sale.origin_postgresql import PostgresqlCatalog

    return PostgresqlCatalog(address.url, schema=address.schema)
