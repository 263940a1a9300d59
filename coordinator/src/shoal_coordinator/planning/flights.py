"""What is on its way, and how much more may be: pure.

A partition is on its way while a live node that should have a copy has none in sync, or
while it is to be handed over. Its data comes from its primary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shoal_coordinator.registry.records import (
    NodeId,
    PartitionId,
    RebalancePolicy,
)


@dataclass(frozen=True, slots=True)
class Flight:
    """A partition on its way. ``is_repair``: it has fewer copies in sync than are wanted."""

    partition: PartitionId
    source: NodeId
    targets: tuple[NodeId, ...]
    is_repair: bool


class Budget:
    """How many moves may still begin. Every limit holds: cluster, node, pair of zones."""

    def __init__(
        self, policy: RebalancePolicy, zone_of: Mapping[NodeId, str], flights: Iterable[Flight]
    ) -> None:
        self._policy = policy
        self._zone_of = zone_of
        self._repairs = 0
        self._moving: set[PartitionId] = set()
        self._by_node: Counter[NodeId] = Counter()
        self._by_zones: Counter[tuple[str, str]] = Counter()
        for flight in flights:
            self._count(flight)

    def admit(self, flight: Flight) -> bool:
        """Count the flight in if there is room for it. One that flies has its room."""
        if flight.partition in self._moving:
            return True
        policy = self._policy
        if flight.is_repair:
            fits = self._repairs < policy.repairs_max
        else:
            nodes = (flight.source, *flight.targets)
            fits = (
                len(self._moving) < policy.moves_max
                and all(self._by_node[it] < policy.moves_per_node_max for it in nodes)
                and all(
                    self._by_zones[pair] < policy.moves_per_zone_pair_max
                    for pair in self._pairs(flight)
                )
            )
        if fits:
            self._count(flight)
        return fits

    def _count(self, flight: Flight) -> None:
        if flight.is_repair:
            self._repairs += 1
            return
        self._moving.add(flight.partition)
        self._by_node.update((flight.source, *flight.targets))
        self._by_zones.update(self._pairs(flight))

    def _pairs(self, flight: Flight) -> set[tuple[str, str]]:
        source = self._zone_of.get(flight.source, "")
        return {(source, self._zone_of.get(target, "")) for target in flight.targets}
