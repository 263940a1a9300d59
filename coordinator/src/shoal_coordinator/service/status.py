"""``ClusterView`` -> ``GetClusterStatusResponse``, and the counts in it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from shoal.v1 import admin_pb2, registry_pb2
from shoal_coordinator.registry.codec import config_to_pb, member_to_pb
from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import (
    Member,
    NodeId,
    NodeRegistration,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the cluster is from what it should be."""

    unserved: int
    """Partitions without a live primary, those not planned yet among them."""
    misplaced: int
    """Partitions whose primary is not the one that the ring wants."""
    handoffs: int
    """Partitions on their way to another node."""
    under_replicated: int = 0
    """Partitions with fewer copies in sync than are wanted, those not taken among them."""


def tally(view: ClusterView) -> Tally:
    """Count the partitions of a view."""
    planned = 0 if view.config is None else view.config.partition_count
    wanted_copies = 1 if view.config is None else 1 + view.config.replica_count
    served = misplaced = handoffs = replicated = 0
    for held in view.partitions.values():
        record = held.record
        served += view.primary_is_live(record)
        handoffs += record.handoff_to is not None
        replicated += live_in_sync(view, record) >= wanted_copies
        if record.primary is not None and record.preference:
            misplaced += record.primary.node != record.preference[0]
    return Tally(max(planned - served, 0), misplaced, handoffs, max(planned - replicated, 0))


def live_in_sync(view: ClusterView, record: PartitionRecord) -> int:
    """How many copies in sync are on nodes that live in the run in which these began."""
    return sum(
        1
        for copy in record.in_sync
        if copy.node in view.nodes
        and is_of(copy.copy_id, view.nodes[copy.node].registration.incarnation)
    )


def status_of(view: ClusterView) -> admin_pb2.GetClusterStatusResponse:
    """Return what the view says, nodes ordered by id."""
    counts = tally(view)
    response = admin_pb2.GetClusterStatusResponse(
        cluster=view.cluster,
        revision=view.revision,
        unserved_partitions=counts.unserved,
        misplaced_partitions=counts.misplaced,
        under_replicated_partitions=counts.under_replicated,
        nodes=_nodes(view),
    )
    if view.config is not None:
        response.config.CopyFrom(config_to_pb(view.config))
    if view.leader is not None:
        response.leader.id = view.leader.leader.id
        response.leader.address = view.leader.leader.address
    return response


def _nodes(view: ClusterView) -> list[admin_pb2.NodeStatus]:
    records = [held.record for held in view.partitions.values()]
    primaries = Counter(
        record.primary.node
        for record in records
        if record.primary is not None and view.primary_is_live(record)
    )
    wanted = Counter(record.preference[0] for record in records if record.preference)
    replicas = Counter(node for record in records for node in record.replicas)
    in_sync = Counter(copy.node for record in records for copy in record.in_sync)
    statuses = []
    for node in sorted({*view.members, *view.nodes}):
        status = admin_pb2.NodeStatus(
            primary_partitions=primaries[node],
            wanted_primary_partitions=wanted[node],
            replica_partitions=replicas[node],
            in_sync_partitions=in_sync[node] if node in view.nodes else 0,
        )
        live = view.nodes.get(node)
        if live is not None:
            status.registration.CopyFrom(_registration(live.registration))
        status.member.CopyFrom(_member(node, view.members.get(node)))
        statuses.append(status)
    return statuses


def _member(node: NodeId, member: Member | None) -> registry_pb2.Member:
    if member is None:
        # Registered, and not admitted yet.
        return registry_pb2.Member(id=node)
    return member_to_pb(member)


def _registration(registration: NodeRegistration) -> registry_pb2.NodeRegistration:
    return registry_pb2.NodeRegistration(
        id=registration.id,
        address=registration.address,
        zone=registration.zone,
        weight=registration.weight,
        incarnation=registration.incarnation,
        version=registration.version,
        metrics_url=registration.metrics_url,
        leaving=registration.leaving,
    )
