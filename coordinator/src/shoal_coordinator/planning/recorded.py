"""What the records say was planned last: the placement that the next one is made from.

It is the only memory of placement there is. Two coordinators that see the same view read
the same from it, whatever either did before.
"""

from __future__ import annotations

from shoal_coordinator.placement.place import PlacedPartition, Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.placement.wanted import wanted
from shoal_coordinator.registry.records import ClusterConfig, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView


def recorded(view: ClusterView, partition_count: int) -> Placement:
    """Return what the view's records want; what has no record is wanted nowhere."""
    return Placement(tuple(_placed(view, PartitionId(p)) for p in range(partition_count)))


def _placed(view: ClusterView, partition: PartitionId) -> PlacedPartition:
    held = view.partitions.get(partition)
    if held is None:
        return PlacedPartition(partition, (), ())
    # The list alone counts. Where ``replicas`` does not agree, it is written anew.
    preference = held.record.preference
    return PlacedPartition(partition, preference, preference[1 : 1 + len(held.record.replicas)])


def wanted_next(
    view: ClusterView, config: ClusterConfig, ring: tuple[RingMember, ...]
) -> Placement:
    """Return what is wanted once these are the ring's members."""

    def in_sync(partition: PartitionId) -> tuple[NodeId, ...]:
        held = view.partitions.get(partition)
        return () if held is None else tuple(copy.node for copy in held.record.in_sync)

    count = config.partition_count
    return wanted(recorded(view, count), ring, count, config.replica_count, in_sync=in_sync)
