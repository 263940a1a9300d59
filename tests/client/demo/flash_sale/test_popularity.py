from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.demo.flash_sale.catalog import VIRAL_PRODUCT
from shoal.demo.flash_sale.popularity import Popularity


def test_draws_follow_zipfs_law() -> None:
    popularity = Popularity(1_000, exponent=1.1, viral_share=0.0)
    random, draws = Random(5), 100_000
    counts: Counter[int] = Counter(popularity.draw(random, sale_is_on=True) for _ in range(draws))
    norm = sum(rank**-1.1 for rank in range(1, 1_001))
    for rank in (1, 2, 3, 10, 50):
        assert counts[rank] / draws == pytest.approx(rank**-1.1 / norm, rel=0.15)


def test_the_sale_gives_the_viral_product_its_share() -> None:
    popularity = Popularity(1_000, exponent=1.1, viral_share=0.4)
    random, draws = Random(5), 20_000

    def share(*, sale_is_on: bool) -> float:
        drawn = [popularity.draw(random, sale_is_on=sale_is_on) for _ in range(draws)]
        return drawn.count(VIRAL_PRODUCT) / draws

    assert share(sale_is_on=False) < 0.01
    assert share(sale_is_on=True) == pytest.approx(0.4, abs=0.02)


def test_the_same_seed_draws_the_same() -> None:
    popularity = Popularity(1_000, exponent=1.1, viral_share=0.4)
    first, second = Random(9), Random(9)
    assert [popularity.draw(first, sale_is_on=True) for _ in range(100)] == [
        popularity.draw(second, sale_is_on=True) for _ in range(100)
    ]


@given(products=st.integers(1, 60), exponent=st.floats(0, 3), seed=st.integers())
def test_every_draw_is_a_product(products: int, exponent: float, seed: int) -> None:
    popularity = Popularity(products, exponent=exponent, viral_share=0.0)
    random = Random(seed)
    assert all(1 <= popularity.draw(random, sale_is_on=False) <= products for _ in range(50))


def test_a_draw_at_the_upper_end_is_the_last_product() -> None:
    class Highest(Random):
        def random(self) -> float:
            return 1.0

    popularity = Popularity(10, exponent=1.0, viral_share=0.0)
    assert popularity.draw(Highest(), sale_is_on=False) == 10
