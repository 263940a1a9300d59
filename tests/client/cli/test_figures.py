"""A node's figures out of its Prometheus text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal.cli.figures import Figures, Rates, Reading, figures, rates, samples

TEXT = """\
# HELP shoal_requests_total Requests.
# TYPE shoal_requests_total counter
shoal_requests_total{method="Get"} 900.0
shoal_requests_total{method="Set"} 1e+02
shoal_requests_total{method="WatchTopology"} 7.0
shoal_hits_total 810.0
shoal_misses_total 90.0
shoal_entries 12.0
shoal_memory_bytes 1.048576e+06
shoal_maxmemory_bytes 2.68435456e+08
shoal_partitions{role="primary"} 86.0
shoal_lease_age_seconds 0.25
shoal_lease_remaining_seconds 2.5
"""
FIGURES = Figures(
    requests=1000,
    hits=810,
    misses=90,
    entries=12,
    memory_bytes=1_048_576,
    maxmemory_bytes=268_435_456,
    lease_age_seconds=0.25,
    lease_remaining_seconds=2.5,
)


def test_what_a_node_prints_is_read() -> None:
    assert figures(TEXT) == FIGURES


def test_the_metrics_of_something_else_are_not_a_node() -> None:
    assert figures("process_cpu_seconds_total 1.0\n") is None
    assert figures("<html>") is None


def test_labels_may_hold_anything() -> None:
    assert list(samples('a{x="1,\\"}",y=""} +Inf\nb NaN_ \n')) == [
        ("a", {"x": '1,\\"}', "y": ""}, float("inf"))
    ]


def test_rates_are_what_happened_between_two_readings() -> None:
    later = replace(FIGURES, requests=3000, hits=1710, misses=190)
    assert rates(Reading(10.0, FIGURES), Reading(14.0, later)) == Rates(500.0, 0.9)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(None, Reading(1.0, FIGURES), id="the first reading"),
        pytest.param(Reading(1.0, FIGURES), Reading(1.0, FIGURES), id="no time passed"),
        pytest.param(
            Reading(1.0, FIGURES), Reading(2.0, replace(FIGURES, requests=0)), id="restarted"
        ),
    ],
)
def test_nothing_is_said_where_nothing_can_be(earlier: Reading | None, later: Reading) -> None:
    assert rates(earlier, later) == Rates(None, None)


def test_without_reads_there_is_no_hit_ratio() -> None:
    later = replace(FIGURES, requests=1010)
    assert rates(Reading(1.0, FIGURES), Reading(2.0, later)) == Rates(10.0, None)
