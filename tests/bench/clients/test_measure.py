"""Rounds of clients become findings."""

from __future__ import annotations

import pytest
from bench.clients.libraries import REDIS, SHOAL
from bench.clients.loads import NEAR, SEQUENTIAL, Done
from bench.clients.measure import Run, finding
from bench.finding import Outcome
from bench.machine import Interference

QUIET = Interference(stolen=0.0, others=0.0, load_average=1.0)
BUSY = Interference(stolen=0.0, others=0.9, load_average=1.0)


def run(cpu_us: float, during: Interference = QUIET) -> Run:
    done = Done(operations=1_000_000, seconds=2.0, cpu_seconds=cpu_us)
    return Run(done, server_cpu_seconds=1.0, interference=during)


def test_what_ran_in_one_round_is_divided_by_each_other() -> None:
    rounds = [{SHOAL: run(60), REDIS: run(30)}, {SHOAL: run(120), REDIS: run(60)}] * 2
    found = finding(SEQUENTIAL, rounds, core_count=2)
    assert found.figure is not None
    assert (found.figure.median, found.figure.spread) == (pytest.approx(2.0), pytest.approx(0.0))
    assert [row.server for row in found.rows] == [SHOAL, REDIS]
    assert found.rows[1].value.median == pytest.approx(45.0)
    assert found.rows[1].details["per_second"] == pytest.approx(500_000)


def test_without_redis_there_are_rows_and_no_figure() -> None:
    found = finding(SEQUENTIAL, [{SHOAL: run(60)}], core_count=2)
    assert found.figure is None
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    ("cpu_us", "during", "outcome"),
    [
        ((1.2, 1.3, 1.25), QUIET, Outcome.MET),
        ((1.7, 1.8, 1.75), QUIET, Outcome.MISSED),
        ((1.4, 1.6, 1.5), BUSY, Outcome.UNKNOWN),
    ],
)
def test_a_hit_in_memory_has_a_goal(cpu_us, during, outcome) -> None:
    rounds = [{SHOAL: run(each, during)} for each in cpu_us]
    assert finding(NEAR, rounds, core_count=2).outcome is outcome
