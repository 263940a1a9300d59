"""Medians and spreads."""

from __future__ import annotations

import pytest
from bench.sample import Sample


def test_the_median_is_in_the_middle_and_nothing_is_thrown_away() -> None:
    sample = Sample.of([3.0, 1.0, 100.0])
    assert (sample.median, sample.low, sample.high, sample.count) == (3.0, 1.0, 100.0, 3)
    assert sample.spread == 33.0


def test_the_median_of_an_even_number_lies_between_two() -> None:
    assert Sample.of([1.0, 2.0, 4.0, 9.0]).median == 3.0


def test_a_spread_of_nothing_but_zeros_is_zero() -> None:
    assert Sample.of([0.0, 0.0]).spread == 0.0


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Sample.of([])
