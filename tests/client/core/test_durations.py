from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import InvalidRequest
from shoal._core.durations import duration_ms, format_duration


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        (1, 1000),
        (0.25, 250),
        (0.1 + 0.2, 300),
        (0.0001, 1),
        (timedelta(minutes=1, milliseconds=5), 60_005),
        (timedelta(microseconds=1), 1),
        ("250ms", 250),
        ("10s", 10_000),
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("2d", 172_800_000),
        (" 10M ", 600_000),
    ],
)
def test_reads(duration, ms):
    assert duration_ms(duration) == ms


@pytest.mark.parametrize(
    "duration",
    [
        True,
        False,
        math.nan,
        math.inf,
        -math.inf,
        0,
        0.0,
        "0s",
        timedelta(0),
        -1,
        -0.5,
        "-5s",
        timedelta(seconds=-1),
        "",
        "10",
        "ten minutes",
        "10 m",
        "1h 30m",
        "m",
        None,
        [1],
        2**63,
    ],
)
def test_refuses(duration):
    with pytest.raises(InvalidRequest, match="ttl"):
        duration_ms(duration)


@pytest.mark.parametrize("duration", [-1, -0.5, "-5s", timedelta(seconds=-1)])
def test_negative_has_the_reason_that_a_node_would_give(duration):
    with pytest.raises(InvalidRequest) as caught:
        duration_ms(duration)
    assert caught.value.reason == "TTL_NEGATIVE"


def test_the_argument_is_named():
    with pytest.raises(InvalidRequest, match="timeout"):
        duration_ms("soon", "timeout")


@given(st.integers(1, 2**53))
def test_text_round_trip(ms):
    assert duration_ms(format_duration(ms)) == ms


@given(st.integers(1, 10**12))
def test_timedelta_round_trip(ms):
    assert duration_ms(timedelta(milliseconds=ms)) == ms


@given(st.floats(0.001, 1e6))
def test_floats_are_rounded_up_by_less_than_a_millisecond(seconds):
    ms = duration_ms(seconds)
    assert -1e-6 <= ms - seconds * 1000 < 1
