from __future__ import annotations

from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, PriceChange
from shoal.demo.flash_sale.expiries import Cause, Disappearance, ViralWatch, merged


def test_the_first_miss_after_a_hit_is_noticed() -> None:
    watch = ViralWatch()
    for at_ns, hit in enumerate([False, False, True, True, False, False, True, False]):
        watch.saw(hit=hit, at_ns=at_ns)
    assert list(watch.drain()) == [4, 7]


def test_a_cold_cache_is_no_disappearance() -> None:
    watch = ViralWatch()
    watch.saw(hit=False, at_ns=1)
    assert list(watch.drain()) == []


def test_draining_does_not_forget_that_the_key_was_there() -> None:
    watch = ViralWatch()
    watch.saw(hit=True, at_ns=1)
    watch.drain()
    watch.saw(hit=False, at_ns=2)
    assert list(watch.drain()) == [2]


def test_processes_that_notice_together_make_one() -> None:
    found = merged([1_003, 1_000, 1_050, 5_000], [], gap_ns=100)
    assert found == [Disappearance(1_000, Cause.EXPIRED), Disappearance(5_000, Cause.EXPIRED)]


def test_a_price_change_just_before_is_the_cause() -> None:
    change = PriceChange(VIRAL_PRODUCT, 2, committed_ns=990, deleted_ns=995)
    assert [found.cause for found in merged([1_000, 5_000], [change], gap_ns=100)] == [
        Cause.INVALIDATED,
        Cause.EXPIRED,
    ]


def test_a_delete_that_failed_is_no_cause() -> None:
    change = PriceChange(VIRAL_PRODUCT, 2, committed_ns=990, deleted_ns=None)
    assert [found.cause for found in merged([1_000], [change], gap_ns=100)] == [Cause.EXPIRED]
