"""A view of the registry as the topology that clients and the data plane read.

Complete, at the view's revision. A node is in it while its key stands. A partition
names its primary only while that very incarnation is registered: otherwise nobody
serves it, and its primary is empty.
"""

from __future__ import annotations

from shoal.v1 import topology_pb2 as pb
from shoal_coordinator.registry.records import PartitionRecord
from shoal_coordinator.registry.view import ClusterView, LiveNode


def topology_of(view: ClusterView) -> pb.Topology:
    """Needs a view with a config."""
    assert view.config is not None
    return pb.Topology(
        cluster=view.cluster,
        revision=view.revision,
        complete=True,
        partition_count=view.config.partition_count,
        nodes=[_node(node) for _, node in sorted(view.nodes.items())],
        partitions=[_partition(view, held.record) for _, held in sorted(view.partitions.items())],
    )


def _node(live: LiveNode) -> pb.Node:
    node = live.registration
    return pb.Node(
        id=node.id,
        address=node.address,
        zone=node.zone,
        weight=node.weight,
        incarnation=node.incarnation,
    )


def _partition(view: ClusterView, record: PartitionRecord) -> pb.Partition:
    primary = record.primary if view.primary_is_live(record) else None
    return pb.Partition(
        id=record.partition,
        epoch=record.epoch,
        primary="" if primary is None else primary.node,
        replicas=record.replicas,
        in_sync=[copy.node for copy in record.in_sync],
    )
