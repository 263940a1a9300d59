"""How an application uses its cache: one strategy a file, behind ``port.CacheAside``."""

from __future__ import annotations

from random import Random
from typing import assert_never

import shoal
from shoal.demo.flash_sale.cache_aside.leased import LeasedCacheAside, longest_leased_ms
from shoal.demo.flash_sale.cache_aside.naive import NaiveCacheAside
from shoal.demo.flash_sale.cache_aside.port import Answer, CacheAside, Failures, Outcome
from shoal.demo.flash_sale.settings import Mode

__all__ = [
    "Answer",
    "CacheAside",
    "Failures",
    "Outcome",
    "longest_ttl_ms",
    "strategy_for",
]


def strategy_for(mode: Mode, client: shoal.Client, *, ttl_ms: int, random: Random) -> CacheAside:
    """The strategy of a mode, for one process."""
    match mode:
        case Mode.NAIVE:
            return NaiveCacheAside(client, ttl_ms=ttl_ms)
        case Mode.LEASED:
            return LeasedCacheAside(client, ttl_ms=ttl_ms, random=random)
        case _:
            assert_never(mode)


def longest_ttl_ms(mode: Mode, ttl_ms: int) -> int:
    """No value is stored for longer; the staleness window rests on it."""
    match mode:
        case Mode.NAIVE:
            return ttl_ms
        case Mode.LEASED:
            return longest_leased_ms(ttl_ms)
        case _:
            assert_never(mode)
