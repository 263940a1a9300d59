"""A view of the registry as the topology that clients and the data plane read.

Complete, at the view's revision. A node is in it while its key stands. A partition
names its primary only while that very incarnation is registered: otherwise nobody
serves it, and its primary is empty.

A node tells its data plane of every revision, and most of them change a few partitions
of hundreds: ``TopologyWriter`` writes only those anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from shoal.v1 import topology_pb2 as pb
from shoal_coordinator.registry.records import Incarnation, NodeId, PartitionId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode


class TopologyWriter:
    """Serializes the topologies of one view after the other."""

    def __init__(self) -> None:
        self._nodes: Mapping[NodeId, LiveNode] | None = None
        self._living: dict[NodeId, Incarnation] = {}
        """Who is registered among ``_nodes``, and in which run."""
        self._written: dict[PartitionId, tuple[HeldPartition, bytes]] = {}
        """What each partition's record was, and as what it was written, beside ``_living``."""

    def serialized(self, view: ClusterView) -> bytes:
        """A ``Topology``. Needs a view with a config."""
        assert view.config is not None
        if view.nodes is not self._nodes:
            self._nodes = view.nodes
            living = {node: it.registration.incarnation for node, it in view.nodes.items()}
            # Whether a primary lives is part of what is told of its partitions.
            self._forget({node for node, _ in living.items() ^ self._living.items()})
            self._living = living
        beside_partitions = pb.Topology(
            cluster=view.cluster,
            revision=view.revision,
            complete=True,
            partition_count=view.config.partition_count,
            nodes=[_node(node) for _, node in sorted(view.nodes.items())],
        )
        # Messages that are written one after the other are one that is merged of them.
        return b"".join(
            (
                beside_partitions.SerializeToString(),
                *(self._of(view, held) for _, held in sorted(view.partitions.items())),
            )
        )

    def _forget(self, nodes: set[NodeId]) -> None:
        """What was written of the partitions of these primaries."""
        if not nodes:
            return
        for partition, (held, _) in [*self._written.items()]:
            primary = held.record.primary
            if primary is not None and primary.node in nodes:
                del self._written[partition]

    def _of(self, view: ClusterView, held: HeldPartition) -> bytes:
        partition = held.record.partition
        known = self._written.get(partition)
        if known is not None and known[0] is held:
            return known[1]
        alone = pb.Topology(partitions=[_partition(view, held.record)]).SerializeToString()
        self._written[partition] = (held, alone)
        return alone


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
