"""When a goal is met, missed, or not to be judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench.finding import Finding, Goal, Outcome

from bench_figures import finding

NOISE = ("other processes took 40% of a core",)
FLOOR = Goal(1.7, is_ceiling=False)


@pytest.mark.parametrize(
    ("figures", "goal", "reasons", "outcome"),
    [
        pytest.param([0.5, 0.55, 0.58], Goal(0.6), (), Outcome.MET, id="met"),
        pytest.param([0.5, 0.61, 0.62], Goal(0.6), (), Outcome.MISSED, id="missed"),
        pytest.param([0.5, 0.55, 0.7], Goal(0.6), NOISE, Outcome.UNKNOWN, id="noise around it"),
        pytest.param([0.3, 0.4, 0.5], Goal(0.6), NOISE, Outcome.MET, id="noise below it"),
        pytest.param([0.7, 0.9, 1.5], Goal(0.6), NOISE, Outcome.MISSED, id="noise above it"),
        pytest.param([0.3], Goal(0.6), NOISE, Outcome.UNKNOWN, id="one alone, in noise"),
        pytest.param([1.75, 1.8, 1.9], FLOOR, (), Outcome.MET, id="above a floor"),
        pytest.param([1.2, 1.3, 1.4], FLOOR, (), Outcome.MISSED, id="below a floor"),
        pytest.param([1.0, 2.0, 3.0], None, (), Outcome.NONE, id="nothing was asked"),
    ],
)
def test_outcomes(
    figures: list[float], goal: Goal | None, reasons: tuple[str, ...], outcome: Outcome
) -> None:
    assert finding(figures, goal, reasons).outcome is outcome


def test_a_figure_of_wall_time_needs_a_quiet_machine() -> None:
    for figures in ([0.3, 0.4, 0.5], [0.7, 0.9, 1.5]):
        noisy = replace(finding(figures, Goal(0.6), NOISE), needs_quiet=True)
        assert noisy.outcome is Outcome.UNKNOWN
        assert Finding.from_dict(noisy.to_dict()) == noisy
    quiet = replace(finding([0.3, 0.4], Goal(0.6)), needs_quiet=True)
    assert quiet.outcome is Outcome.MET


def test_a_goal_says_which_way_it_holds() -> None:
    assert Goal(0.6).text == "<= 0.6"
    assert FLOOR.text == ">= 1.7"


def test_a_finding_survives_being_written() -> None:
    told = finding([0.5, 0.55], Goal(0.6), NOISE)
    assert Finding.from_dict(told.to_dict()) == told
    assert told.to_dict()["outcome"] == "met"
