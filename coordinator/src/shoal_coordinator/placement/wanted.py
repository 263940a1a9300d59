"""``wanted``: the next placement, given the one that stands. Pure.

``place`` answers for a cluster that holds nothing yet, from the members alone. A cluster
that holds data has a placement already, in its records, and moving is what costs. So from
then on the next one is made out of the last: whatever is within the limits stays.

What it guarantees, and ``tests/coordinator/placement`` holds:

- Every upper limit (``limits.py``) holds. So do the lower ones.
- Copies of a partition are on distinct members, in distinct zones while there are
  enough, and evenly over the zones where there are not.
- The bytes moved are at most 1.1 x the least that any placement within the limits needs.
  A copy made on a member that had none is a move of the partition's bytes; another
  primary among its holders moves nothing.
- What is wanted, asked for again, stays as it is.
- Copies of one member are beside those of many others, after many changes, too.
- The same members and the same last placement give the same, in every process and
  release: whole numbers and orders of names alone decide.

Two coordinators agree because the last placement is what the records in etcd say: the
same view gives the same plan, and of two views only the newer one's plan can be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from shoal_coordinator.placement.copies import settle_copies
from shoal_coordinator.placement.limits import limits_of
from shoal_coordinator.placement.place import SUCCESSORS, PlacedPartition, Placement, place
from shoal_coordinator.placement.primacy import Primacy
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.placement.standing import Standing
from shoal_coordinator.placement.successors import with_successors
from shoal_coordinator.placement.zones import Zones
from shoal_coordinator.registry.records import NodeId, PartitionId


def wanted(
    before: Placement,
    members: Iterable[RingMember],
    partition_count: int,
    replica_count: int,
    *,
    in_sync: Callable[[PartitionId], Iterable[NodeId]] | None = None,
    sizes: Sequence[int] | None = None,
) -> Placement:
    """Return where all partitions should be, keeping of ``before`` what can be kept.

    ``before``: one entry a partition, with an empty preference where nothing is planned
    yet; all empty: it begins with ``place``'s. ``in_sync``: nodes that hold a copy in sync,
    wanted there or not; one that lacks a copy is placed where one is. ``sizes``: bytes by
    partition, where they are known; otherwise all count the same.
    """
    ring = sorted(member for member in members if member.weight > 0)
    if not ring:
        return place((), partition_count, replica_count)
    assert not before.partitions or len(before.partitions) == partition_count
    if not any(placed.preference for placed in before.partitions):
        before = place(ring, partition_count, replica_count)
    ids = [member.id for member in ring]
    numbers = {node: number for number, node in enumerate(ids)}
    zones = Zones([member.zone for member in ring])
    replica_count = min(replica_count, len(ring) - 1)
    limits = limits_of(zones, [member.weight for member in ring], partition_count, replica_count)
    holders = [_numbers(_holders(placed), numbers) for placed in before.partitions]
    standing = Standing(zones, holders, replica_count + 1)

    def elsewhere(partition: int) -> list[int]:
        nodes = () if in_sync is None else in_sync(PartitionId(partition))
        return _numbers(nodes, numbers)

    settle_copies(standing, limits, elsewhere, sizes)
    firsts = [placed.preference[:1] for placed in before.partitions]
    primacy = Primacy(
        standing, limits, [numbers.get(first[0]) if first else None for first in firsts]
    )
    primacy.settle()
    gone = {node for placed in before.partitions for node in placed.preference}.difference(ids)
    length = min(replica_count + 1 + SUCCESSORS, len(ids))
    placed = [
        old
        if held == was
        and primary == was[0]
        and len(old.preference) == length
        and len(old.replicas) == replica_count
        and gone.isdisjoint(old.preference)
        else _placed(old, PartitionId(partition), was, held, primary, ids, numbers, zones, length)
        for partition, (old, was, held, primary) in enumerate(
            zip(before.partitions, standing.before, standing.holders, primacy.of, strict=True)
        )
    ]
    return Placement(tuple(placed))


def _numbers(nodes: Iterable[NodeId], numbers: Mapping[NodeId, int]) -> list[int]:
    """Of those that are members."""
    return [number for node in nodes if (number := numbers.get(node)) is not None]


def _holders(placed: PlacedPartition) -> tuple[NodeId, ...]:
    return placed.preference[: 1 + len(placed.replicas)]


def _placed(
    old: PlacedPartition,
    partition: PartitionId,
    kept: Sequence[int],
    holders: Sequence[int],
    primary: int,
    ids: Sequence[NodeId],
    numbers: Mapping[NodeId, int],
    zones: Zones,
    length: int,
) -> PlacedPartition:
    """Replicas stand in their old order, new ones behind them."""
    stays = [member for member in kept if member in holders and member != primary]
    comes = [member for member in holders if member not in kept and member != primary]
    copies = [primary, *stays, *comes]
    behind = _numbers(old.preference, numbers)
    order = with_successors(partition, copies, behind, zones, length)
    preference = tuple(ids[member] for member in order)
    return PlacedPartition(partition, preference, preference[1 : len(copies)])
