"""How much may be on its way."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.planning.flights import Budget, Flight
from shoal_coordinator.registry.records import NodeId, PartitionId, RebalancePolicy

NODES = [NodeId(name) for name in "abcdef"]
ZONES = {node: f"z{number % 3}" for number, node in enumerate(NODES)}
ends = st.lists(st.sampled_from(NODES), min_size=2, max_size=2, unique=True)
limits = st.integers(1, 5)


@given(
    pairs=st.lists(ends, max_size=40),
    cluster=limits,
    node=limits,
    zones=limits,
    flying=st.integers(0, 3),
)
def test_no_limit_is_passed_and_none_keeps_out_what_fits(
    pairs: list[list[NodeId]], cluster: int, node: int, zones: int, flying: int
) -> None:
    policy = RebalancePolicy(
        moves_max=cluster, moves_per_node_max=node, moves_per_zone_pair_max=zones
    )
    flights = [
        Flight(PartitionId(number), source, (target,), is_repair=False)
        for number, (source, target) in enumerate(pairs)
    ]
    already = flights[:flying]
    budget = Budget(policy, ZONES, already)
    under_way = [*already]
    for flight in flights[flying:]:
        nodes = Counter(it for one in under_way for it in (one.source, *one.targets))
        crossing = Counter((ZONES[one.source], ZONES[one.targets[0]]) for one in under_way)
        fits = (
            len(under_way) < cluster
            and max(nodes[flight.source], nodes[flight.targets[0]]) < node
            and crossing[ZONES[flight.source], ZONES[flight.targets[0]]] < zones
        )
        assert budget.admit(flight) == fits
        if fits:
            under_way.append(flight)
            assert budget.admit(flight), "one that flies has its room"


def test_repairs_have_a_limit_of_their_own() -> None:
    policy = RebalancePolicy(moves_max=1, repairs_max=2)
    budget = Budget(policy, ZONES, [])
    repairs = [Flight(PartitionId(n), NODES[0], (NODES[1],), is_repair=True) for n in range(3)]
    assert [budget.admit(it) for it in repairs] == [True, True, False]
    assert budget.admit(Flight(PartitionId(9), NODES[0], (NODES[1],), is_repair=False))
