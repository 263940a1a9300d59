"""What a registry holds when a story begins, written by the operations themselves."""

from __future__ import annotations

from dataclasses import replace

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import (
    Elected,
    Registered,
    Won,
    campaign,
    plan_partition,
    register_node,
    take_over,
)
from shoal_coordinator.registry.port import (
    ABSENT,
    Store,
)
from shoal_coordinator.registry.records import (
    UNTAKEN,
    CoordinatorLeader,
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ElectedLeader, HeldPartition, LiveNode


async def live(store: Store, keys: Keys, name: str, run: str = "1") -> LiveNode:
    registration = NodeRegistration(
        NodeId(name), "127.0.0.1:1", "", 100, Incarnation(f"{name}/{run}"), "0.1.0", ""
    )
    lease = await store.grant_lease(30)
    registered = await register_node(store, keys, registration, lease.id)
    assert isinstance(registered, Registered)
    return LiveNode(registration, registered.create_revision, lease.id)


async def leading(store: Store, keys: Keys, name: str = "c1") -> ElectedLeader:
    lease = await store.grant_lease(30)
    elected = await campaign(store, keys, CoordinatorLeader(name, "h:1"), lease.id)
    assert isinstance(elected, Elected)
    return elected.leadership


def planned(partition: int, *preference: str) -> PartitionRecord:
    order = tuple(NodeId(node) for node in preference)
    return PartitionRecord(PartitionId(partition), UNTAKEN, None, None, order[1:], (), order)


def taken_by(record: PartitionRecord, node: LiveNode, copy: str = "copy") -> PartitionRecord:
    primary = Copy(node.registration.id, CopyId(f"{copy}/{node.registration.id}"))
    return replace(
        record,
        epoch=Epoch(record.epoch + 1),
        primary=primary,
        primary_incarnation=node.registration.incarnation,
        in_sync=(primary,),
    )


async def plan(
    store: Store, keys: Keys, leadership: ElectedLeader, record: PartitionRecord
) -> HeldPartition:
    outcome = await plan_partition(store, keys, record, ABSENT, leadership)
    assert isinstance(outcome, Won)
    return HeldPartition(record, outcome.mod_revision)


async def served_by(
    store: Store, keys: Keys, node: LiveNode, partitions: int
) -> list[HeldPartition]:
    """Partitions from 0 on, taken over by this node."""
    leadership = await leading(store, keys)
    served = []
    for partition in range(partitions):
        held = await plan(store, keys, leadership, planned(partition, node.registration.id, "b"))
        record = taken_by(held.record, node)
        won = await take_over(store, keys, held, record, node, old=None)
        assert isinstance(won, Won)
        served.append(HeldPartition(record, won.mod_revision))
    return served
