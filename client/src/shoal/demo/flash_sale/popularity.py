"""Which product the next visitor looks at.

Popularity follows Zipf's law: the product of rank r is drawn in proportion to
1 / r ** exponent, by inverting the precomputed cumulative sums (one bisection a draw).
Once the sale is on, a fixed share of all draws is the viral product.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from random import Random

from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT, ProductId


class Popularity:
    """Immutable after creation, shared by the threads of a process."""

    def __init__(self, products: int, *, exponent: float, viral_share: float) -> None:
        assert products >= 1, products
        assert 0.0 <= viral_share <= 1.0, viral_share
        self._cumulative = list(accumulate(rank**-exponent for rank in range(1, products + 1)))
        self._viral_share = viral_share

    def draw(self, random: Random, *, sale_is_on: bool) -> ProductId:
        if sale_is_on and random.random() < self._viral_share:
            return VIRAL_PRODUCT
        point = random.random() * self._cumulative[-1]
        rank = bisect_right(self._cumulative, point, hi=len(self._cumulative) - 1)
        return ProductId(rank + 1)
