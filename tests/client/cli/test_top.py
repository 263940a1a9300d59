"""What `shoal top` tells between two looks."""

from __future__ import annotations

from shoal.cli.figures import Figures, Reading
from shoal.cli.top import Seen, lines


def reading(at_seconds: float, requests: float, hits: float = 0.0, misses: float = 0.0) -> Reading:
    return Reading(at_seconds, Figures(requests, hits, misses, 5, 1000, 4000, 0.5, 2.5))


def seen(node: str, told: Reading | None, *, is_up: bool = True) -> Seen:
    return Seen(node, primaries=3, replicas=4, is_up=is_up, reading=told)


def by_id(*nodes: Seen) -> dict[str, Seen]:
    return {node.id: node for node in nodes}


def test_the_busiest_node_stands_first_and_those_that_tell_nothing_last() -> None:
    before = by_id(seen("a", reading(1, 10)), seen("b", reading(1, 10)), seen("c", reading(1, 0)))
    after = by_id(
        seen("a", reading(3, 30)),
        seen("b", reading(3, 410, hits=30, misses=10)),
        seen("c", None),
        seen("d", None, is_up=False),
        seen("e", reading(3, 999)),
    )
    found = lines(before, after)
    assert [(line.id, line.state) for line in found] == [
        ("b", "up"),
        ("a", "up"),
        ("c", "silent"),
        ("d", "down"),
        ("e", "up"),
    ]
    assert [line.rates.operations_per_second for line in found] == [200, 10, None, None, None]
    assert found[0].rates.hit_ratio == 0.75


def test_json_has_units_and_null_for_what_is_not_known() -> None:
    (told, silent) = lines(by_id(), by_id(seen("a", reading(1, 1)), seen("b", None)))
    assert told.as_json() == {
        "node": "a",
        "state": "up",
        "primary_partitions": 3,
        "replica_partitions": 4,
        "operations_per_second": None,
        "hit_ratio": None,
        "entries": 5,
        "memory_bytes": 1000,
        "maxmemory_bytes": 4000,
        "lease_age_seconds": 0.5,
    }
    assert silent.as_json()["memory_bytes"] is None


def test_a_node_that_was_started_again_has_no_rate_at_first() -> None:
    (line,) = lines(by_id(seen("a", reading(1, 500))), by_id(seen("a", reading(2, 3))))
    assert line.rates.operations_per_second is None
