"""``ClusterView``, slot -> where the slot belongs, who has it, and why these differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.v1 import admin_pb2
from shoal_coordinator.placement.ring import Ring, RingMember
from shoal_coordinator.placement.tokens import RING_SIZE, partition_point
from shoal_coordinator.registry.codec import partition_to_pb
from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import (
    ClusterConfig,
    MemberState,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import ClusterView

SLOT_COUNT = 16384
_TOKENS_SHOWN = 8


def explained(view: ClusterView, config: ClusterConfig, slot: int) -> admin_pb2.ExplainRingResponse:
    assert 0 <= slot < SLOT_COUNT
    partition = PartitionId(slot * config.partition_count // SLOT_COUNT)
    held = view.partitions.get(partition)
    tokens = _tokens(view, partition)
    response = admin_pb2.ExplainRingResponse(
        revision=view.revision,
        slot=slot,
        partition=partition,
        point=partition_point(partition),
        tokens=tokens,
    )
    if held is None:
        response.why.append("it is not planned yet")
        return response
    response.record.CopyFrom(partition_to_pb(held.record))
    response.why.extend(_why(view, config, held.record, tokens))
    return response


def _tokens(view: ClusterView, partition: PartitionId) -> list[admin_pb2.RingToken]:
    ring = Ring(
        RingMember(member.id, member.weight, member.zone)
        for member in view.members.values()
        if member.state is MemberState.ACTIVE
    )
    point = partition_point(partition)
    walk = ring.walk(point)
    steps = (walk.at(place) for place in range(_TOKENS_SHOWN))
    return [
        admin_pb2.RingToken(node=ring.members[step[0]].id, point=(point + step[1]) % RING_SIZE)
        for step in steps
        if step is not None
    ]


def _why(
    view: ClusterView,
    config: ClusterConfig,
    record: PartitionRecord,
    tokens: list[admin_pb2.RingToken],
) -> Iterator[str]:
    if not record.preference:
        yield "it is wanted nowhere: no member takes partitions"
        return
    yield from _why_elsewhere(view, record, record.preference[0])
    for node in record.preference[: 1 + config.replica_count]:
        if node not in view.nodes:
            yield f"a copy is wanted on {node}, which is down"
        elif not _is_in_sync(view, record, node):
            yield f"{node} has no copy in sync yet: it follows"
    if tokens and tokens[0].node != record.preference[0]:
        yield (
            f"the walk meets {tokens[0].node} first, and {record.preference[0]} is wanted: "
            "a partition stays where its copies are while the limits of load allow it"
        )


def _why_elsewhere(view: ClusterView, record: PartitionRecord, wanted: NodeId) -> Iterator[str]:
    if record.primary is None:
        yield "nobody has taken it yet"
        return
    owner = record.primary.node
    if not view.primary_is_live(record):
        yield f"its primary {owner} is gone or has restarted: a copy in sync takes over"
    elif owner == wanted:
        return
    elif record.handoff_to is not None:
        yield f"{owner} serves it and is handing it to {record.handoff_to}"
    elif wanted not in view.nodes:
        yield f"{owner} serves it, because {wanted} is down"
    elif not _is_in_sync(view, record, wanted):
        yield f"{owner} serves it until {wanted} has caught up"
    else:
        yield f"{owner} serves it until its turn comes to be handed to {wanted}"


def _is_in_sync(view: ClusterView, record: PartitionRecord, node: NodeId) -> bool:
    return any(
        copy.node == node and is_of(copy.copy_id, view.nodes[node].registration.incarnation)
        for copy in record.in_sync
    )
