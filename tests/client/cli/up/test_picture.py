"""What is shown of a cluster, and what is told when it changes."""

from __future__ import annotations

import pytest

from shoal.cli.figures import Figures, Rates, Reading
from shoal.cli.ownership import Ownership, PartitionOwners
from shoal.cli.up.picture import NodeSight, NodeState, Picture, changes, picture
from shoal.cli.up.plan import ClusterPlan
from shoal.cli.up.supervised import Ended, ProcessState, Running

NODES = frozenset({"node-1", "node-2", "node-3"})
OWNED = Ownership(
    4, NODES, {partition: PartitionOwners(f"node-{partition % 3 + 1}") for partition in range(4)}
)
KILLED = Ended(103, "killed by SIGKILL")


def sight(lease_remaining_seconds: float = 2.5) -> NodeSight:
    figures = Figures(
        requests=1000,
        hits=810,
        misses=90,
        entries=12,
        memory_bytes=1_048_576,
        maxmemory_bytes=268_435_456,
        lease_age_seconds=0.25,
        lease_remaining_seconds=lease_remaining_seconds,
    )
    return NodeSight(Reading(1.0, figures), Rates(500.0, 0.9))


def seen(
    plan: ClusterPlan,
    changed: dict[str, ProcessState] | None = None,
    sights: dict[str, NodeSight] | None = None,
    ownership: Ownership | None = OWNED,
) -> Picture:
    states: dict[str, ProcessState] = {
        spec.name: Running(pid) for pid, spec in enumerate(plan.specs, start=100)
    }
    states |= changed or {}
    return picture(plan, states, {**dict.fromkeys(NODES, sight()), **(sights or {})}, ownership)


def state_of(shown: Picture, node: str) -> NodeState:
    return next(row.state for row in shown.nodes if row.id == node)


def test_a_whole_cluster(three_nodes: ClusterPlan) -> None:
    shown = seen(three_nodes)
    assert [row.state for row in shown.nodes] == [NodeState.SERVING] * 3
    assert [row.primaries for row in shown.nodes] == [2, 1, 1]
    assert all(other.is_up for other in shown.others)
    assert shown.unserved == 0


@pytest.mark.parametrize(
    ("changed", "sights", "ownership", "state"),
    [
        pytest.param({"node-1": KILLED}, {}, OWNED, NodeState.DOWN, id="killed"),
        pytest.param(
            {}, {"node-1": NodeSight(None, Rates(None, None))}, OWNED, NodeState.SILENT, id="hangs"
        ),
        pytest.param({}, {"node-1": sight(0.0)}, OWNED, NodeState.FENCED, id="lease ran out"),
        pytest.param(
            {},
            {},
            Ownership(4, NODES - {"node-1"}, OWNED.partitions),
            NodeState.JOINING,
            id="not registered",
        ),
    ],
)
def test_the_state_of_a_node(
    three_nodes: ClusterPlan,
    changed: dict[str, ProcessState],
    sights: dict[str, NodeSight],
    ownership: Ownership,
    state: NodeState,
) -> None:
    shown = seen(three_nodes, changed, sights, ownership)
    assert state_of(shown, "node-1") is state
    assert state_of(shown, "node-3") is NodeState.SERVING


def test_a_node_that_is_down_shows_no_figures_of_when_it_was_up(three_nodes: ClusterPlan) -> None:
    row = seen(three_nodes, {"node-1": KILLED}).nodes[0]
    assert (row.pid, row.reading, row.rates) == (None, None, Rates(None, None))


def test_everything_is_told_once(three_nodes: ClusterPlan) -> None:
    shown = seen(three_nodes)
    told = changes(None, shown)
    assert "node-2 at 127.0.0.1:20008 is serving" in told
    assert "coordinator-1 is up" in told
    assert told[-1] == "all 4 partitions are served"
    assert changes(shown, shown) == []


def test_a_death_and_its_end_read_as_a_story(three_nodes: ClusterPlan) -> None:
    whole = seen(three_nodes)
    taken_over = {0: "node-2", 1: "node-2", 2: "node-3", 3: "node-3"}
    later: list[Picture] = [
        seen(three_nodes, {"node-1": KILLED}),
        seen(
            three_nodes, {"node-1": KILLED}, {}, Ownership(4, NODES - {"node-1"}, OWNED.partitions)
        ),
        seen(
            three_nodes,
            {"node-1": KILLED},
            {},
            Ownership(
                4,
                NODES - {"node-1"},
                {partition: PartitionOwners(node) for partition, node in taken_over.items()},
            ),
        ),
    ]
    story = [
        changes(before, after) for before, after in zip([whole, *later[:-1]], later, strict=True)
    ]
    assert story == [
        ["node-1 at 127.0.0.1:20006 is down (killed by SIGKILL)"],
        ["2 of 4 partitions are not served"],
        ["all 4 partitions are served"],
    ]


def test_the_death_of_what_is_no_node_is_told(three_nodes: ClusterPlan) -> None:
    after = seen(three_nodes, {"coordinator-2": Ended(102, "exited with code 1")})
    assert changes(seen(three_nodes), after) == ["coordinator-2 exited with code 1"]


def test_when_no_node_answers_that_is_said(three_nodes: ClusterPlan) -> None:
    after = seen(three_nodes, ownership=None)
    assert changes(seen(three_nodes), after) == ["no node tells who serves the partitions"]
