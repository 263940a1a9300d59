"""Views of small clusters, written as tests tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shoal_coordinator.registry.port import LeaseId, Revision
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode

CONFIG = ClusterConfig(
    partition_count=8,
    replica_count=0,
    lease_ttl_seconds=3,
    bootstrap_nodes=1,
    cluster_id="the cluster",
)


def live(
    node: str, *, run: int = 1, since: int = 1, weight: int = 100, lease: int | None = None
) -> LiveNode:
    """A node in its ``run``-th incarnation, registered at revision ``since``."""
    registration = NodeRegistration(
        id=NodeId(node),
        address=f"{node}:7400",
        zone="",
        weight=weight,
        incarnation=Incarnation(f"{node}-run{run}"),
        version="0",
        metrics_url="",
    )
    return LiveNode(registration, Revision(since), LeaseId(since if lease is None else lease))


def member(node: str, state: MemberState = MemberState.ACTIVE, weight: int = 100) -> Member:
    return Member(NodeId(node), state, weight, "")


def record(
    partition: int,
    primary: str | None = None,
    *,
    run: int = 1,
    epoch: int = 1,
    preference: str = "",
    handoff_to: str | None = None,
    in_sync: str = "",
    replicas: str = "",
) -> PartitionRecord:
    """A record whose primary is a node's ``run``-th incarnation. Preference: ``"a b c"``.

    ``in_sync``: nodes in sync besides the primary, each in its first run, ``"b c"``; in
    another one ``"b/2"``.
    """
    mine = None if primary is None else copy(primary, run=run)
    return PartitionRecord(
        partition=PartitionId(partition),
        epoch=UNTAKEN if primary is None else Epoch(epoch),
        primary=mine,
        primary_incarnation=None if primary is None else Incarnation(f"{primary}-run{run}"),
        replicas=tuple(NodeId(node) for node in replicas.split()),
        in_sync=() if mine is None else (mine, *map(_copy_named, in_sync.split())),
        preference=tuple(NodeId(node) for node in preference.split()),
        handoff_to=None if handoff_to is None else NodeId(handoff_to),
    )


def copy(node: str, *, run: int = 1, life: int = 1) -> Copy:
    """The ``life``-th copy of a node's ``run``-th incarnation."""
    return Copy(NodeId(node), CopyId(f"run{run}-{node}{life}"))


def _copy_named(name: str) -> Copy:
    node, _, run = name.partition("/")
    return copy(node, run=int(run or 1))


def held(of: PartitionRecord, at: int = 5) -> HeldPartition:
    return HeldPartition(of, Revision(at))


def view(
    *,
    nodes: tuple[LiveNode, ...] = (),
    records: tuple[PartitionRecord, ...] = (),
    members: tuple[Member, ...] = (),
    revision: int = 10,
    changed_at: Mapping[int, int] | None = None,
    config: ClusterConfig | None = CONFIG,
) -> ClusterView:
    """A view; records were changed at revision 5 unless ``changed_at`` says otherwise."""
    at = changed_at or {}
    return ClusterView(
        cluster="test",
        revision=Revision(revision),
        config=config,
        nodes={it.registration.id: it for it in nodes},
        members={it.id: it for it in members},
        partitions={it.partition: held(it, at.get(it.partition, 5)) for it in records},
    )


def without(seen: ClusterView, *nodes: str, revision: int) -> ClusterView:
    """The view after these nodes' keys have vanished."""
    left = {node: it for node, it in seen.nodes.items() if node not in nodes}
    return replace(seen, nodes=left, revision=Revision(revision))
