"""Rounds become ratios, pair by pair."""

from __future__ import annotations

import pytest
from bench.comparison import compare, ratio
from bench.finding import Goal, Outcome
from bench.machine import Interference

from bench_figures import measured

LOADS = {"Shoal": "GET, 4 x 32", "Redis": "GET, 50 x 1", "memcached": "GET, 50 x 1"}


def test_what_ran_together_is_divided_by_each_other() -> None:
    # The machine slowed down by half after the first round: no pair shows it.
    rounds = [
        {"Shoal": measured(3), "Redis": measured(6)},
        {"Shoal": measured(6), "Redis": measured(12)},
        {"Shoal": measured(6), "Redis": measured(12)},
    ]
    assert ratio(rounds, "Shoal", "Redis").median == pytest.approx(0.5)
    assert ratio(rounds, "Shoal", "Redis").spread == pytest.approx(0.0)


def test_a_comparison_has_a_row_for_every_server_and_a_figure_for_ours() -> None:
    rounds = [
        {"Shoal": measured(3), "Redis": measured(6), "memcached": measured(5)} for _ in range(5)
    ]
    found = compare("get-4x32", "title", rounds, LOADS, Goal(0.6), core_count=2)
    assert [row.server for row in found.rows] == ["Shoal", "Redis", "memcached"]
    assert found.rows[2].value.median == pytest.approx(5.0)
    assert found.rows[0].details["per_second"] == pytest.approx(100_000)
    assert found.outcome is Outcome.MET
    assert found.reasons == ()


def test_without_the_reference_there_are_rows_and_no_figure() -> None:
    rounds = [{"Shoal": measured(3), "memcached": measured(5)}]
    found = compare("get-4x32", "title", rounds, LOADS, Goal(0.6), core_count=2)
    assert found.figure is None
    assert found.outcome is Outcome.NONE


def test_noise_beside_the_pair_is_told() -> None:
    busy = Interference(stolen=0.0, others=0.5, load_average=1.0)
    rounds = [{"Shoal": measured(3, during=busy), "Redis": measured(6)} for _ in range(3)]
    found = compare("get-4x32", "title", rounds, LOADS, Goal(0.6), core_count=2)
    assert any("other processes" in reason for reason in found.reasons)


def test_a_busy_loader_is_told() -> None:
    rounds = [{"Shoal": measured(3, loader_share=1.0), "Redis": measured(6)} for _ in range(3)]
    found = compare("get-4x32", "title", rounds, LOADS, None, core_count=2)
    (note,) = found.notes
    assert note.startswith("Shoal: the loader was busy")
