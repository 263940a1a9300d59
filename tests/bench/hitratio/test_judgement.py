"""What counts as good enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench.hitratio.judgement import Cell, EqualEntries, Reference, verdicts

CELL = Cell(
    load="web",
    percent=1,
    budget_bytes=1000,
    redis_entries=10,
    redis=0.50,
    shoal_entries=11,
    shoal=0.40,
    references=(Reference("s3fifo", 11, 0.40, 0.39), Reference("lru", 11, 0.51, 0.50)),
    equal_entries=EqualEntries(shoal=0.42, exact_lru=0.48, s3fifo=0.41),
)


def test_the_worst_load_is_named_and_the_mean_is_over_all() -> None:
    worse = replace(CELL, load="scan", percent=20, shoal=0.52)
    found = {each.name: each for each in verdicts([CELL, worse])}
    worst, mean = found["s3fifo / Redis, worst"], found["s3fifo / Redis, mean"]
    assert (worst.figure, worst.where, worst.holds) == (0.52 / 0.50, "scan, 20 %", False)
    assert mean.figure == pytest.approx((0.8 + 1.04) / 2)
    assert mean.holds
    assert found["lru / libCacheSim, worst"].figure == pytest.approx(1.02)
    exact = found["s3fifo / exact LRU, worst"]
    assert exact.figure == pytest.approx(0.875)
    assert exact.holds is None


def test_loads_of_many_sizes_have_no_equal_entries() -> None:
    found = verdicts([replace(CELL, references=(), equal_entries=None)])
    assert [each.name for each in found] == ["s3fifo / Redis, worst", "s3fifo / Redis, mean"]
