"""Which addresses a client keeps channels to, and whom it asks when the owner fails."""

from __future__ import annotations

import pytest

from shoal._core.core import Core
from shoal._core.settings import checked_settings
from shoal.v1 import topology_pb2


@pytest.fixture
def core(clock):
    """A client whose seeds are the nodes a and b, and a name."""
    from random import Random

    made = Core(
        checked_settings(["a:1", "b:1", "cache.example:1"]),
        clock=clock,
        rng=Random(3),
        draw_id=bytes,
    )
    made.learn(
        topology_pb2.Topology(
            cluster="t",
            revision=1,
            complete=True,
            partition_count=1,
            nodes=[topology_pb2.Node(id=node, address=f"{node}:1") for node in "abc"],
        )
    )
    return made


def test_channels_are_kept_to_live_nodes_and_seeds(core):
    assert set(core.connectable()) == {"a:1", "b:1", "c:1", "cache.example:1"}


def test_a_seed_that_was_a_node_and_left_is_only_asked_for_the_topology(core):
    core.learn(topology_pb2.Topology(revision=2, removed_nodes=["a", "c"]))
    assert set(core.connectable()) == {"b:1", "cache.example:1"}
    assert set(core.candidates()) == {"a:1", "b:1", "cache.example:1"}
    assert {core.any_address() for _ in range(50)} == {"b:1", "cache.example:1"}
    core.learn(topology_pb2.Topology(revision=3))
    assert "a:1" not in core.connectable()


def test_a_seed_that_comes_back_is_connected_to_again(core):
    core.learn(topology_pb2.Topology(revision=2, removed_nodes=["a"]))
    back = topology_pb2.Node(id="a2", address="a:1")
    core.learn(topology_pb2.Topology(revision=3, nodes=[back]))
    assert "a:1" in core.connectable()


def test_seeds_are_asked_when_nobody_is_live(core):
    core.learn(topology_pb2.Topology(revision=2, removed_nodes=["a", "b", "c"]))
    assert core.any_address() == "cache.example:1"
