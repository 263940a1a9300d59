from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from shoal.demo.latency import LatencyHistogram, bucket_of, upper_edge_of

LATENCIES_US = st.integers(0, 10**9)


@given(LATENCIES_US)
def test_the_upper_edge_is_within_a_thirty_second(latency_us: int) -> None:
    edge_us = upper_edge_of(bucket_of(latency_us))
    assert latency_us <= edge_us <= latency_us * (1 + 1 / 32)


@given(st.integers(0, 5_000))
def test_buckets_leave_no_gap(bucket: int) -> None:
    assert bucket_of(upper_edge_of(bucket)) == bucket
    assert bucket_of(upper_edge_of(bucket) + 1) == bucket + 1


def test_a_clock_that_went_back_counts_as_nothing() -> None:
    assert bucket_of(-5) == 0


@given(st.lists(LATENCIES_US, min_size=1), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_those_of_a_sorted_list(latencies_us: list[int], quantile: float) -> None:
    histogram = LatencyHistogram()
    for latency_us in latencies_us:
        histogram.record(latency_us)
    exact_us = sorted(latencies_us)[math.ceil(quantile * len(latencies_us)) - 1]
    assert histogram.quantile_ms(quantile) == upper_edge_of(bucket_of(exact_us)) / 1_000


@given(st.lists(LATENCIES_US), st.lists(LATENCIES_US))
def test_merging_is_recording_all_in_one(first: list[int], second: list[int]) -> None:
    one, other, both = LatencyHistogram(), LatencyHistogram(), LatencyHistogram()
    for latency_us in first:
        one.record(latency_us)
        both.record(latency_us)
    for latency_us in second:
        other.record(latency_us)
        both.record(latency_us)
    one.merge(other)
    assert one == both
    assert one.total == len(first) + len(second)


def test_an_empty_histogram_has_no_latency() -> None:
    assert LatencyHistogram().quantile_ms(0.99) == 0.0
