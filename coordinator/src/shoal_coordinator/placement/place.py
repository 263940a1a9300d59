"""``place``: who should hold which partition.

What it guarantees, and ``tests/coordinator/placement`` holds:

- No member has more primaries than ceil(1.05 x its fair share by weight).
- No member has more replicas than ceil(1.05 x its fair share of those), unless no
  choice of replicas beside these primaries can meet that on distinct members and
  zones. Then shares are filled up by weight as far as those allow.
- Copies of a partition are on distinct members, in distinct zones while there are
  enough, and evenly over the zones where there are not.
- When a member joins, a primary moves to it, or else between two old members only
  because of the bound: the one that comes earlier in the partition's walk is full
  where the partition is not on it. What is on the new member is at most its bound.
- The same members give the same placement, in whatever order, process or release.

Non-goal: knowing what was placed before. A pure function of the members moves more than
need be; ``wanted.py`` makes the next placement out of the last, and asks this one only
for a cluster that has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from shoal_coordinator.placement.bounds import filled_shares, load_bounds, raised_bounds
from shoal_coordinator.placement.exchange import Exchange
from shoal_coordinator.placement.preference import preference
from shoal_coordinator.placement.primaries import place_primaries
from shoal_coordinator.placement.replicas import place_replicas
from shoal_coordinator.placement.ring import Ring, RingMember, Walk
from shoal_coordinator.placement.tokens import partition_point
from shoal_coordinator.placement.zones import Zones
from shoal_coordinator.registry.records import NodeId, PartitionId

SUCCESSORS = 2
"""Nodes on a preference list after the replicas, so that a takeover has somewhere to go."""


@dataclass(frozen=True, slots=True)
class PlacedPartition:
    """Where one partition should be.

    ``preference``: the wanted primary, the wanted replicas, then up to ``SUCCESSORS``
    more, all distinct. Empty if there is no member of positive weight.
    """

    partition: PartitionId
    preference: tuple[NodeId, ...]
    replicas: tuple[NodeId, ...]

    @property
    def primary(self) -> NodeId | None:
        return self.preference[0] if self.preference else None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where all partitions should be; ``partitions[p]`` is partition ``p``."""

    partitions: tuple[PlacedPartition, ...]


def place(members: Iterable[RingMember], partition_count: int, replica_count: int) -> Placement:
    """Place ``partition_count`` partitions with ``replica_count`` replicas each.

    With fewer than ``replica_count + 1`` members, each has a copy of everything.
    """
    ring = Ring(members)
    if not ring.members:
        nothing = (PlacedPartition(PartitionId(p), (), ()) for p in range(partition_count))
        return Placement(tuple(nothing))
    walks = [ring.walk(partition_point(partition)) for partition in range(partition_count)]
    weights = [member.weight for member in ring.members]
    zones = Zones([member.zone for member in ring.members])
    primaries = place_primaries(walks, load_bounds(weights, partition_count))
    replica_count = min(replica_count, len(ring.members) - 1)
    holders = _with_replicas(walks, zones, weights, primaries, replica_count)
    ids = [member.id for member in ring.members]
    placed = []
    for partition, (walk, copies) in enumerate(zip(walks, holders, strict=True)):
        order = preference(walk, zones, copies, len(copies) + SUCCESSORS)
        nodes = tuple(ids[member] for member in order)
        placed.append(PlacedPartition(PartitionId(partition), nodes, nodes[1 : len(copies)]))
    return Placement(tuple(placed))


def _with_replicas(
    walks: Sequence[Walk],
    zones: Zones,
    weights: Sequence[int],
    primaries: Sequence[int],
    replica_count: int,
) -> list[list[int]]:
    """Return the holders of each partition, its primary first."""
    if replica_count == 0:
        return [[primary] for primary in primaries]
    bounds = load_bounds(weights, len(walks) * replica_count)
    if _may_fit(zones, primaries, bounds, replica_count):
        holders, short = place_replicas(zones, walks, primaries, bounds, replica_count)
        exchange = Exchange(zones, holders, bounds)
        if all(exchange.place(partition) for partition in short):
            return holders
    necessary = _necessary_bounds(zones, weights, len(walks), replica_count)
    bounds = [max(pair) for pair in zip(bounds, necessary, strict=True)]
    holders, short = place_replicas(zones, walks, primaries, bounds, replica_count)
    exchange = Exchange(zones, holders, bounds)
    for partition in short:
        while not exchange.place(partition):
            exchange.raise_bounds()
    return holders


def _may_fit(
    zones: Zones, primaries: Sequence[int], bounds: Sequence[int], replica_count: int
) -> bool:
    """Whether a count by zones leaves room. False is certain, True is not."""
    per_zone = zones.most_copies(replica_count + 1)
    own = [0] * len(bounds)
    for primary in primaries:
        own[primary] += 1
    room = [0] * zones.count
    zone_limits = [len(primaries) * per_zone] * zones.count
    for member, zone in enumerate(zones.of):
        room[zone] += min(bounds[member], len(primaries) - own[member])
        zone_limits[zone] -= own[member]
    return sum(map(min, room, zone_limits)) >= len(primaries) * replica_count


def _necessary_bounds(
    zones: Zones, weights: Sequence[int], partition_count: int, replica_count: int
) -> list[int]:
    """Bounds on replicas where distinct members and zones force unequal loads.

    A member holds at most one copy of a partition, and a zone only so many: whatever
    its weight, its share ends there, and others fill up.
    """
    copies = Fraction(partition_count * (replica_count + 1))
    by_zone = zones.members
    zone_weights = [sum(weights[m] for m in members) for members in by_zone]
    per_zone = zones.most_copies(replica_count + 1)
    zone_limits = [Fraction(partition_count * min(len(m), per_zone)) for m in by_zone]
    zone_shares = filled_shares(zone_weights, zone_limits, copies)
    shares = [Fraction(0)] * len(weights)
    for members, zone_share in zip(by_zone, zone_shares, strict=True):
        limits = [Fraction(partition_count)] * len(members)
        inside = filled_shares([weights[m] for m in members], limits, zone_share)
        for member, share in zip(members, inside, strict=True):
            fair_primaries = Fraction(partition_count * weights[member], sum(weights))
            shares[member] = max(share - fair_primaries, Fraction(0))
    return raised_bounds(shares)
