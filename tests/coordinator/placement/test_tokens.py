"""Points on the ring."""

from __future__ import annotations

from shoal_coordinator.placement.tokens import (
    RING_SIZE,
    TOKENS_PER_WEIGHT,
    node_tokens,
    partition_point,
)

GOLDEN_NODE = ["9daae07c20747630", "e3bf9ac76eba7676"]
GOLDEN_PARTITION = "561a9349e3bcc21f"


def test_a_node_has_points_in_proportion_to_its_weight() -> None:
    assert len(node_tokens("a", 100)) == 100 * TOKENS_PER_WEIGHT
    assert node_tokens("a", 0) == []


def test_more_weight_keeps_the_points_that_were_there() -> None:
    light, heavy = node_tokens("a", 37), node_tokens("a", 150)
    assert heavy[: len(light)] == light


def test_points_lie_on_the_ring_and_differ() -> None:
    points = [*node_tokens("a", 100), *node_tokens("b", 100), *map(partition_point, range(500))]
    assert all(0 <= point < RING_SIZE for point in points)
    assert len(set(points)) == len(points)


def test_points_are_these_for_ever() -> None:
    assert [f"{point:016x}" for point in node_tokens("node-1", 1)] == GOLDEN_NODE
    assert f"{partition_point(0):016x}" == GOLDEN_PARTITION
