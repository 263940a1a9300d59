from __future__ import annotations

import pytest

from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, ProductId
from shoal.demo.flash_sale.query_log import QueryLog


def test_the_viral_product_is_counted_apart(ordinary: ProductId) -> None:
    log = QueryLog()
    for product in (VIRAL_PRODUCT, ordinary, ordinary):
        with log.record(product):
            pass
    queries = log.drain()
    assert (len(queries.viral), len(queries.other)) == (1, 2)
    assert queries.viral.started_ns[0] <= queries.viral.ended_ns[0]


def test_a_failed_query_reached_the_origin_too(ordinary: ProductId) -> None:
    log = QueryLog()
    with pytest.raises(RuntimeError), log.record(ordinary):
        raise RuntimeError
    assert len(log.drain().other) == 1


def test_a_drained_query_is_not_counted_again(ordinary: ProductId) -> None:
    log = QueryLog()
    with log.record(ordinary):
        log.drain()
    assert len(log.drain().other) == 1
    assert len(log.drain().other) == 0
