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
from shoal_coordinator.registry.records import NodeId, PartitionId, PartitionRecord
from shoal_coordinator.registry.view import (
    ClusterView,
    HeldPartition,
    LiveNode,
    partitions_changed,
)


class TopologyWriter:
    """Serializes the topologies of one view after the other."""

    def __init__(self) -> None:
        self._nodes: Mapping[NodeId, LiveNode] = {}
        self._nodes_written = b""
        self._records: Mapping[PartitionId, HeldPartition] = {}
        self._written: dict[PartitionId, bytes] = {}
        """As what each of ``_records`` was written beside ``_nodes``, in order."""

    def serialized(self, view: ClusterView) -> bytes:
        """A ``Topology``. Needs a view with a config."""
        assert view.config is not None
        changed = {*partitions_changed(self._records, view.partitions)}
        if view.nodes is not self._nodes:
            # Whether a primary lives is part of what is told of its partitions.
            changed |= _served_by(view, _come_or_gone(self._nodes, view.nodes))
            self._nodes = view.nodes
            told = pb.Topology(nodes=[_node(node) for _, node in sorted(view.nodes.items())])
            self._nodes_written = told.SerializeToString()
        self._records = view.partitions
        self._write(view, changed)
        beside_them = pb.Topology(
            cluster=view.cluster,
            revision=view.revision,
            complete=True,
            partition_count=view.config.partition_count,
        )
        # Messages that are written one after the other are one that is merged of them.
        return b"".join(
            (beside_them.SerializeToString(), self._nodes_written, *self._written.values())
        )

    def _write(self, view: ClusterView, changed: set[PartitionId]) -> None:
        known = len(self._written)
        for partition in changed:
            held = view.partitions.get(partition)
            if held is None:
                del self._written[partition]
                known -= 1
            else:
                alone = pb.Topology(partitions=[_partition(view, held.record)])
                self._written[partition] = alone.SerializeToString()
        if len(self._written) != known:
            self._written = dict(sorted(self._written.items()))


def _come_or_gone(
    known: Mapping[NodeId, LiveNode], newer: Mapping[NodeId, LiveNode]
) -> set[NodeId]:
    """Those with another incarnation than before, or with none."""
    before, after = (
        {(node, it.registration.incarnation) for node, it in nodes.items()}
        for nodes in (known, newer)
    )
    return {node for node, _ in before ^ after}


def _served_by(view: ClusterView, nodes: set[NodeId]) -> set[PartitionId]:
    """The partitions whose records name one of them as the primary."""
    return {
        partition
        for partition, held in view.partitions.items()
        if held.record.primary is not None and held.record.primary.node in nodes
    }


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
