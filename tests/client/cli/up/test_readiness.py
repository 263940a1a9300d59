"""When a cluster is ready, and what it is waiting for otherwise."""

from __future__ import annotations

import pytest

from shoal.cli.ownership import Ownership, PartitionOwners
from shoal.cli.up.plan import ClusterPlan
from shoal.cli.up.readiness import Lost, Observation, Ready, Waiting, assess, part_ready
from shoal.cli.up.supervised import Ended, ProcessState, Running

NODES = frozenset({"node-1", "node-2", "node-3"})
OWNED = Ownership(
    4, NODES, {partition: PartitionOwners(f"node-{partition % 3 + 1}") for partition in range(4)}
)


def running(plan: ClusterPlan) -> dict[str, ProcessState]:
    return {spec.name: Running(pid) for pid, spec in enumerate(plan.specs, start=100)}


def waiting(plan: ClusterPlan, seen: Observation) -> Waiting:
    verdict = assess(plan, seen)
    assert isinstance(verdict, Waiting)
    return verdict


def test_ready_is_every_node_serving_and_every_partition_served(three_nodes: ClusterPlan) -> None:
    assert assess(three_nodes, Observation(running(three_nodes), NODES, OWNED)) == Ready()


def test_a_process_that_ended_is_lost(three_nodes: ClusterPlan) -> None:
    states = {**running(three_nodes), "node-2": Ended(101, "exited with code 2")}
    verdict = assess(three_nodes, Observation(states, NODES, OWNED))
    assert verdict == Lost("node-2", "node-2 exited with code 2")


def test_a_node_that_does_not_serve_is_named(three_nodes: ClusterPlan) -> None:
    seen = Observation(running(three_nodes), NODES - {"node-3"}, OWNED)
    verdict = waiting(three_nodes, seen)
    assert verdict.reason == "node-3 not serving yet"
    assert verdict.suspects == ("node-3", "coordinator-1", "coordinator-2")


@pytest.mark.parametrize(
    ("ownership", "reason", "suspect"),
    [
        pytest.param(None, "no node tells the topology", "node-1", id="no topology"),
        pytest.param(
            Ownership(0, NODES, {}), "has not placed the partitions", "coordinator-1", id="no plan"
        ),
        pytest.param(
            Ownership(4, NODES - {"node-1"}, OWNED.partitions),
            "node-1 not registered yet",
            "node-1",
            id="not registered",
        ),
        pytest.param(
            Ownership(4, NODES, {0: PartitionOwners("node-1"), 1: PartitionOwners("")}),
            "3 of 4 partitions have no live primary",
            "coordinator-1",
            id="unserved",
        ),
    ],
)
def test_what_is_missing_is_said(
    three_nodes: ClusterPlan, ownership: Ownership | None, reason: str, suspect: str
) -> None:
    verdict = waiting(three_nodes, Observation(running(three_nodes), NODES, ownership))
    assert reason in verdict.reason
    assert suspect in verdict.suspects


@pytest.mark.parametrize(
    ("serving", "ownership", "part"),
    [
        (frozenset(), None, 0.0),
        (NODES, None, 0.5),
        (NODES, Ownership(0, NODES, {}), 0.5),
        (NODES, Ownership(4, NODES, {0: PartitionOwners("node-1")}), 0.625),
        (NODES, OWNED, 1.0),
    ],
)
def test_half_of_being_ready_are_nodes_and_half_partitions(
    three_nodes: ClusterPlan, serving: frozenset[str], ownership: Ownership | None, part: float
) -> None:
    assert part_ready(three_nodes, Observation(running(three_nodes), serving, ownership)) == part
