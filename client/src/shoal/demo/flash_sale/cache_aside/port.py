"""What a cache-aside strategy does for its callers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shoal.demo.flash_sale.catalog import Product, ProductId
from shoal.demo.flash_sale.origin import ProductReader


class Outcome(StrEnum):
    HIT = "hit"
    """Answered from the cache."""
    LOADED = "loaded"
    """Missed; this caller queried the origin."""
    JOINED = "joined"
    """Missed; this caller waited for the query of another one, here or in another process."""
    BYPASSED = "bypassed"
    """The cache failed; the origin answered, or a cache that was asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    product: Product
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Failures:
    """Of the cache, since the strategy was made."""

    count: int
    first: str | None
    """The first that a read met, as a sentence."""


class CacheAside(Protocol):
    """One per process, shared by its threads. The client stays its maker's."""

    @property
    def longest_load_ns(self) -> int:
        """The longest from before a query until its answer was stored."""
        ...

    def read(self, product: ProductId, origin: ProductReader) -> Answer:
        """The product, from the cache or, through ``origin``, from the database.

        ``origin`` is the calling thread's own connection. Raises ``OriginFailed`` when
        the database had to be asked and refused; never anything about the cache.
        """
        ...

    def failures(self) -> Failures: ...

    def close(self) -> None: ...
