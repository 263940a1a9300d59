"""The load of `shoal bench`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import shoal
from shoal.cli.load import Shape, calls, run

SHAPE = Shape(
    callers=3,
    seconds=0.2,
    keys=10,
    value_bytes=5,
    reads_part=0.75,
    ttl="1m",
    prefix="p:",
    seed=1,
)


def test_calls_are_drawn_from_the_seed_and_differ_by_caller() -> None:
    first, again, other = (list(islice(calls(SHAPE, caller), 4000)) for caller in (0, 0, 1))
    assert first == again != other
    assert {key for _, key in first} == {f"p:{number}" for number in range(10)}
    assert 0.7 < sum(is_read for is_read, _ in first) / 4000 < 0.8


class Failing:
    def get(self, key: str) -> Any:
        return shoal.MISSING if key == "p:0" else b"x"

    def set(self, key: str, value: bytes, *, ttl: Any = None) -> Any:
        assert (len(value), ttl) == (5, "1m")
        raise shoal.InvalidRequest("no")


def test_what_failed_is_counted_and_has_no_latency() -> None:
    heard: list[float] = []
    did = run(Failing(), SHAPE, shoal.ShoalError, heard.append)
    assert did.writes.total == 0
    assert did.errors.total() > 0
    assert 0 < did.hits < did.reads.total
    assert heard[0] < 0.1
    assert heard == sorted(heard)
