"""Who serves what, counted from a topology: what ``status`` and ``up`` show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoal import Topology


@dataclass(frozen=True, slots=True)
class PartitionOwners:
    """``primary`` is empty when nobody has the partition."""

    primary: str
    in_sync: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ownership:
    """``partition_count`` is 0 until the coordinator has planned."""

    partition_count: int
    live: frozenset[str]
    partitions: Mapping[int, PartitionOwners]

    @classmethod
    def of(cls, topology: Topology) -> Ownership:
        return cls(
            partition_count=topology.partition_count,
            live=frozenset(topology.nodes),
            partitions={
                partition.id: PartitionOwners(partition.primary, partition.in_sync)
                for partition in topology.partitions
            },
        )

    @property
    def unserved(self) -> tuple[int, ...]:
        """Partitions that no live node serves."""
        return tuple(
            partition
            for partition in range(self.partition_count)
            if (owners := self.partitions.get(partition)) is None or owners.primary not in self.live
        )

    def primaries_of(self, node: str) -> int:
        """How many partitions the node serves; none when it is not live."""
        if node not in self.live:
            return 0
        return sum(owners.primary == node for owners in self.partitions.values())

    def replicas_of(self, node: str) -> int:
        """Partitions of which the node holds an in-sync copy without serving it."""
        if node not in self.live:
            return 0
        return sum(
            node in owners.in_sync and owners.primary != node for owners in self.partitions.values()
        )
