"""What is read of the machine."""

from __future__ import annotations

import os

import pytest
from bench.machine import Cores, cores, cpu_seconds, interference, on_cores, read, resident_bytes

STAT = "cpu  {user} 0 {system} 1000 5 0 0 {steal} 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
TICKS = os.sysconf("SC_CLK_TCK")


def test_what_others_took_is_what_is_left_of_the_busy_time() -> None:
    before = read(STAT.format(user=0, system=0, steal=0), "0.50 1 1 1/2 3", at=10.0)
    after = read(
        STAT.format(user=2 * TICKS, system=TICKS, steal=TICKS // 10), "0.75 1 1 1/2 3", at=12.0
    )
    found = interference(before, after, own_cpu_seconds=2.5)
    assert found.others == pytest.approx(0.25)
    assert found.stolen == pytest.approx(0.05)
    assert found.load_average == 0.75


def test_rounding_never_gives_less_than_nothing() -> None:
    before = read(STAT.format(user=0, system=0, steal=0), "0 0 0 1/2 3", at=0.0)
    assert interference(before, before, own_cpu_seconds=1.0).others == 0.0


def test_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="intr"):
        read("intr 1 2 3", "0 0 0 1/2 3", at=0.0)


def test_server_and_loader_stand_on_cores_of_their_own() -> None:
    assert Cores.of({4, 2, 9, 7}) == Cores(server=2, loader=4, rest=(7, 9))
    with pytest.raises(ValueError, match="two cores"):
        Cores.of({0})


def test_a_process_is_seen_from_outside() -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) == before:
        pass
    assert resident_bytes(os.getpid()) > 1 << 20


def test_what_is_started_on_a_core_does_not_keep_this_process_there() -> None:
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    with on_cores(one):
        assert os.sched_getaffinity(0) == one
    assert os.sched_getaffinity(0) == allowed
    if len(allowed) > 1:
        assert cores().server == min(allowed)
