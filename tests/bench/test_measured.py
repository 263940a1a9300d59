"""The loader's line of JSON, and the latencies in it."""

from __future__ import annotations

import json

import pytest
from bench.measured import Slice, parse, quantile_us

SAID = {
    "operations": 1600,
    "requests": 100,
    "seconds": 2.0,
    "server_cpu_seconds": 0.5,
    "loader_cpu_seconds": 1.9,
    "p50_us": 10,
    "p99_us": 20,
    "p999_us": 30,
    "max_us": 40,
    "late": 0,
    "slices_from_ms": 5000,
    "slices": [[[10, 98], [50, 2]], [], [[7, 100]]],
}


def test_figures_are_per_key_and_per_core() -> None:
    measured = parse(json.dumps(SAID), slice_ms=100)
    assert measured.per_second == 800
    assert measured.cpu_us_per_operation == pytest.approx(312.5)
    assert measured.server_share == 0.25
    assert measured.loader_share == 0.95
    assert [each.starts_ms for each in measured.slices] == [5000, 5100, 5200]


def test_quantiles_are_over_all_slices_together() -> None:
    first, second = Slice(0, ((10, 98), (50, 2))), Slice(100, ((7, 100),))
    assert quantile_us([first], 0.98) == 10
    assert quantile_us([first], 0.99) == 50
    assert quantile_us([first, second], 0.5) == 7
    assert quantile_us([first, second], 0.99) == 10
    assert quantile_us([first, second], 1.0) == 50
    assert quantile_us([], 0.99) == 0


def test_a_line_without_figures_is_refused() -> None:
    with pytest.raises(KeyError):
        parse("{}")
