"""The loads: the same each time, and in the form that the replayer reads."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from bench.hitratio import workloads
from bench.hitratio.workloads import WORKLOADS, MissingTrace, Workload

DRAWN = [name for name in WORKLOADS if "zipf" in name]


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_the_same_each_time(name: str, tmp_path: Path) -> None:
    once, again = WORKLOADS[name](tmp_path), WORKLOADS[name](tmp_path)
    assert np.array_equal(once.keys, again.keys)
    assert once.name == name
    assert 0 < once.distinct < len(once.keys)


def test_popularity_follows_the_law() -> None:
    keys = workloads.zipf(1.0, keys=1000, requests=200_000).keys
    counts = np.bincount(keys.astype(np.int64), minlength=1000)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.2)


def test_a_missing_trace_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingTrace, match="--traces FOLDER or SHOAL_TRACES"):
        WORKLOADS["web07"](tmp_path)


def test_records_are_what_the_replayer_reads(tmp_path: Path) -> None:
    load = Workload("w", np.array([7, 9, 7], np.uint64), np.array([1, 2, 3], np.uint32))
    load.write(tmp_path / "trace")
    written = (tmp_path / "trace").read_bytes()
    assert list(struct.iter_unpack("<QI", written)) == [(7, 1), (9, 2), (7, 3)]
    filled = load.first_of_each()
    assert (filled.keys.tolist(), filled.value_bytes.tolist()) == ([7, 9], [1, 2])
