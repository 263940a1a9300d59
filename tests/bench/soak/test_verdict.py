"""When a soak's bound holds, does not, or was never put to the test."""

from __future__ import annotations

import pytest
from bench.soak.verdict import Sample, judge


def samples(*resident: int) -> list[Sample]:
    return [
        Sample(
            at_seconds=float(at),
            resident_bytes=bytes_,
            counted_bytes=0,
            entries=0,
            operations=10 * at,
        )
        for at, bytes_ in enumerate(resident)
    ]


def test_the_worst_moment_decides_sampled_or_not() -> None:
    verdict = judge(samples(500, 1050, 1000), 1000, peak_bytes=1099, evicted=1)
    assert verdict.holds
    assert (verdict.peak, verdict.median) == (1.099, 1.0)
    broken = judge(samples(500, 1050, 1000), 1000, peak_bytes=1101, evicted=1)
    assert not broken.holds
    assert "does NOT hold" in str(broken)
    assert not judge(samples(500, 1101, 1000), 1000, peak_bytes=0, evicted=1).holds


def test_a_node_that_never_filled_up_proves_nothing() -> None:
    verdict = judge(samples(500, 600), 1000, peak_bytes=600, evicted=0)
    assert not verdict.holds
    assert str(verdict).startswith("void")


def test_no_samples_no_verdict() -> None:
    with pytest.raises(ValueError, match="without samples"):
        judge([], 1000, peak_bytes=0, evicted=1)
