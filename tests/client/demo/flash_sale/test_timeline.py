from __future__ import annotations

from shoal.demo.flash_sale.timeline import Timeline, regroup

MS = 1_000_000


def test_times_fall_into_their_bins() -> None:
    timeline = Timeline(1_000 * MS, seconds=1, bin_ms=100)
    timeline.add([1_000 * MS, 1_099 * MS, 1_100 * MS, 1_999 * MS])
    assert timeline.counts == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert timeline.outside == 0


def test_what_lies_outside_is_counted_apart() -> None:
    timeline = Timeline(1_000 * MS, seconds=0.2, bin_ms=100)
    timeline.add([999 * MS, 1_200 * MS, 1_150 * MS])
    assert timeline.counts == [0, 1]
    assert timeline.outside == 2


def test_a_broken_second_gets_a_bin_of_its_own() -> None:
    assert len(Timeline(0, seconds=1.25, bin_ms=100).counts) == 13


def test_regroup_adds_neighbours_and_keeps_the_rest() -> None:
    assert regroup([1, 2, 3, 4, 5], size=2) == [3, 7, 5]
