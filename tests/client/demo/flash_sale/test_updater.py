from __future__ import annotations

from typing import Any

import pytest

import shoal
from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, ProductId, key_of
from shoal.demo.flash_sale.origin import Catalog
from shoal.demo.flash_sale.settings import Mode, Settings
from shoal.demo.flash_sale.updater import Updater
from shoal.testing import Cluster

SETTINGS = Settings(mode=Mode.NAIVE, seconds=5, products=300, ttl_ms=1_000)


@pytest.fixture
def updater(sqlite_catalog: Catalog, client: shoal.Client) -> Updater:
    return Updater(SETTINGS, client, sqlite_catalog.writer())


def test_the_delete_comes_after_the_commit(sqlite_catalog: Catalog, ordinary: ProductId) -> None:
    seen: list[tuple[str, int]] = []

    class Watching:
        def delete(self, key: str) -> int:
            seen.append((key, sqlite_catalog.latest_version(ordinary)))
            return 1

    watching: Any = Watching()
    updater = Updater(SETTINGS, watching, sqlite_catalog.writer())
    change = updater.change(ordinary)
    assert seen == [(key_of(ordinary), 2)]
    assert change.deleted_ns is not None
    assert change.committed_ns <= change.deleted_ns
    assert sqlite_catalog.history(0) == [change]


def test_a_delete_that_fails_is_written_down_as_failed(
    updater: Updater, sqlite_catalog: Catalog, cluster: Cluster, ordinary: ProductId
) -> None:
    with cluster.down():
        assert updater.change(ordinary).deleted_ns is None
    assert [change.deleted_ns for change in sqlite_catalog.history(0)] == [None]
    assert updater.tick(last=False).failed_deletes == 1


def test_a_tick_settles_all_that_was_committed(
    updater: Updater, sqlite_catalog: Catalog, ordinary: ProductId
) -> None:
    change = updater.change(ordinary)
    tick = updater.tick(last=False)
    assert (tick.changes, tick.failed_deletes) == (1, 0)
    assert change.committed_ns <= tick.settled_ns
    assert tick.slowest_commit_ns > 0
    assert updater.tick(last=True).changes == 0


def test_chance_never_changes_the_viral_product(updater: Updater) -> None:
    changed = {updater.change_any().product_id for _ in range(400)}
    assert len(changed) > 50
    assert VIRAL_PRODUCT not in changed
