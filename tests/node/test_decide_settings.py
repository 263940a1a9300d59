"""What the cluster's configuration says, and the data plane is told."""

from __future__ import annotations

from dataclasses import replace

from cluster_views import CONFIG, live, view
from shoal_coordinator.registry.records import Eviction, Incarnation, NodeId
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.decide import decide
from shoal_node.local import Local
from shoal_node.policy import Policy

POLICY = Policy()
A = live("a", since=1)


def node(of: ClusterView, registration: LiveNode | None = A) -> Local:
    local = Local(NodeId("a"), Incarnation("a-run1"))
    if registration is not None:
        local.registered(registration)
        local.fence_lifted = True
    local.installed = of.revision
    return local


def told(local: Local, of: ClusterView) -> list[str]:
    local.saw(of, 0, POLICY.mass_loss_hold_ms)
    return [str(action) for action in decide(of, local, 0, POLICY)]


def test_the_data_plane_follows_the_policy_of_the_configuration() -> None:
    seen = view(nodes=(A,), config=replace(CONFIG, eviction=Eviction.LRU))
    local = node(seen)
    assert told(local, seen) == ["evict by lru from now on: the cluster's configuration says so"]
    local.eviction = Eviction.LRU
    assert told(local, seen) == []


def test_a_node_without_a_lease_follows_it_too() -> None:
    seen = view(config=replace(CONFIG, eviction=Eviction.NONE))
    local = node(seen, None)
    assert told(local, seen) == ["evict by none from now on: the cluster's configuration says so"]


def test_the_data_plane_follows_the_rate_of_snapshots() -> None:
    of = view(nodes=(A,), config=replace(CONFIG, snapshot_bytes_per_second=1 << 20))
    local = node(of)
    assert told(local, of) == ["send snapshots at 1048576 bytes a second at most"]
    local.snapshot_bytes_per_second = 1 << 20
    assert told(local, of) == []
    back = view(nodes=(A,), config=CONFIG)
    assert told(local, back) == ["send snapshots without a bound"]


def test_the_data_plane_is_told_how_many_copies_are_needed() -> None:
    of = view(nodes=(A,), config=replace(CONFIG, min_in_sync=2))
    local = node(of)
    assert told(local, of) == ["refuse IN_SYNC writes below 2 copies in sync"]
    local.min_in_sync = 2
    assert told(local, of) == []
