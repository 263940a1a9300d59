"""Who should hold a copy of a partition, and which copies are lost. Pure.

A copy counts as lost once its node's key is gone, or its node lives in another run: the
ids tell (``copy_ids``). That a node lost the copy and lives on only it can say.
"""

from __future__ import annotations

from collections.abc import Collection

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import Copy, NodeId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView, LiveNode


def wanted_holders(view: ClusterView, record: PartitionRecord) -> frozenset[NodeId]:
    """The nodes that the plan wants a copy on: primary, replicas, and who comes next."""
    assert view.config is not None
    planned = record.preference[: 1 + view.config.replica_count]
    next_one = () if record.handoff_to is None else (record.handoff_to,)
    return frozenset((*planned, *record.replicas, *next_one))


def is_wanted(view: ClusterView, record: PartitionRecord, node: NodeId) -> bool:
    """Whether it is one of them."""
    assert view.config is not None
    return (
        node in record.preference[: 1 + view.config.replica_count]
        or node in record.replicas
        or node == record.handoff_to
    )


def unwanted(
    view: ClusterView, record: PartitionRecord, in_sync: Collection[Copy]
) -> frozenset[Copy]:
    """Those of these copies in sync that nobody wants any more; none while one lacks that is."""
    spare = [it for it in in_sync if not is_wanted(view, record, it.node)]
    if not spare:
        return frozenset()
    named = {copy.node for copy in in_sync}
    if (wanted_holders(view, record) & view.nodes.keys()) - named:
        return frozenset()
    return frozenset(spare)


def holder(view: ClusterView, copy: Copy) -> LiveNode | None:
    """The node that has this copy, if it lives in the run in which the copy began."""
    live = view.nodes.get(copy.node)
    if live is None or not is_of(copy.copy_id, live.registration.incarnation):
        return None
    return live


def copies_left(view: ClusterView, record: PartitionRecord) -> tuple[Copy, ...]:
    """Copies in sync that are not the primary's, and not known to be lost."""
    return tuple(
        copy for copy in record.in_sync if copy != record.primary and holder(view, copy) is not None
    )
