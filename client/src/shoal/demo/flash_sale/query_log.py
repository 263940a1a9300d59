"""Every query that reached the origin, written by the origin's adapter itself.

One log per process, shared by its threads. It is drained every tick, so that it stays
small; what is drained is two arrays of nanoseconds per kind, cheap to send.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, ProductId


def _nanoseconds() -> array[int]:
    return array("q")


@dataclass(slots=True)
class QuerySpans:
    """When queries started and ended; entry i of both belongs to one query."""

    started_ns: array[int] = field(default_factory=_nanoseconds)
    ended_ns: array[int] = field(default_factory=_nanoseconds)

    def add(self, started_ns: int, ended_ns: int) -> None:
        self.started_ns.append(started_ns)
        self.ended_ns.append(ended_ns)

    def __len__(self) -> int:
        return len(self.started_ns)


@dataclass(slots=True)
class Queries:
    """What was asked of the origin between two drains."""

    viral: QuerySpans = field(default_factory=QuerySpans)
    other: QuerySpans = field(default_factory=QuerySpans)


class QueryLog:
    """Thread-safe; ``record`` is called once per query, ``drain`` once per tick."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queries = Queries()

    @contextmanager
    def record(self, product: ProductId) -> Iterator[None]:
        """Around one query. A query that fails reached the origin as well."""
        started_ns = time.monotonic_ns()
        try:
            yield
        finally:
            ended_ns = time.monotonic_ns()
            with self._lock:
                queries = self._queries
                spans = queries.viral if product == VIRAL_PRODUCT else queries.other
                spans.add(started_ns, ended_ns)

    def drain(self) -> Queries:
        with self._lock:
            drained, self._queries = self._queries, Queries()
        return drained
