"""When a comparison is not to be believed."""

from __future__ import annotations

import pytest
from bench.machine import Interference
from bench.noise import bottleneck, judge
from bench.sample import Sample

QUIET = Interference(stolen=0.0, others=0.02, load_average=1.5)
STEADY = Sample.of([1.0, 1.01, 1.02, 1.03, 1.04])


def test_a_quiet_machine_and_steady_ratios_are_believed() -> None:
    verdict = judge(STEADY, [QUIET] * 10, core_count=2)
    assert not verdict.is_noisy
    assert verdict.sentence == ""


@pytest.mark.parametrize(
    ("ratios", "during", "about"),
    [
        pytest.param(Sample.of([1.0, 1.2, 1.4]), QUIET, "ranges from 1.00 to 1.40", id="spread"),
        pytest.param(Sample.of([1.0, 1.0]), QUIET, "too few", id="too few"),
        pytest.param(STEADY, Interference(0.05, 0.0, 1.0), "hypervisor took 5%", id="steal"),
        pytest.param(STEADY, Interference(0.0, 0.4, 1.0), "other processes took 40%", id="others"),
        pytest.param(STEADY, Interference(0.0, 0.0, 8.0), "load average was 8.0", id="load"),
    ],
)
def test_each_kind_of_noise_has_a_sentence(
    ratios: Sample, during: Interference, about: str
) -> None:
    verdict = judge(ratios, [during] * 3, core_count=2)
    assert verdict.is_noisy
    assert len(verdict.reasons) == 1
    assert verdict.sentence.startswith("too noisy to tell: ")
    assert about in verdict.sentence


def test_one_busy_moment_of_others_among_many_quiet_ones_is_forgiven() -> None:
    busy = Interference(stolen=0.0, others=0.9, load_average=2.0)
    assert not judge(STEADY, [QUIET, busy, QUIET], core_count=2).is_noisy


def test_a_loader_at_its_limit_before_a_server_that_waits_is_told() -> None:
    assert "throughput is the loader's" in bottleneck(loader_share=0.99, server_share=0.5)
    assert bottleneck(loader_share=0.99, server_share=0.99) == ""
    assert bottleneck(loader_share=0.5, server_share=0.5) == ""
