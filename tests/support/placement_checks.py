"""Random memberships, and what is promised of any placement of them."""

from __future__ import annotations

import random
from collections import Counter

from shoal_coordinator.placement.limits import Limits, limits_of
from shoal_coordinator.placement.place import Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.placement.zones import Zones
from shoal_coordinator.registry.records import NodeId

NOTHING = Placement(())
WEIGHTS = (100, 100, 100, 50, 200, 300, 1)


def changed(rng: random.Random, members: list[RingMember], zones: int) -> list[RingMember]:
    """A join, a leave, another weight or another zone."""
    at = rng.randrange(len(members))
    one, others = members[at], [*members[:at], *members[at + 1 :]]
    kind = rng.choice(("join", "join", "leave", "weight", "zone"))
    if kind == "leave" and others:
        return others
    if kind == "weight":
        return [*others, RingMember(one.id, rng.choice(WEIGHTS), one.zone)]
    if kind == "zone":
        return [*others, RingMember(one.id, one.weight, f"z{rng.randrange(zones)}")]
    name = NodeId(f"n{rng.getrandbits(40):010x}")
    return [*members, RingMember(name, rng.choice(WEIGHTS), f"z{rng.randrange(zones)}")]


def joined(rng: random.Random, count: int, zones: int) -> list[RingMember]:
    members = [RingMember(NodeId("first"), 100, "z0")]
    while len(members) < count:
        name = NodeId(f"n{rng.getrandbits(40):010x}")
        members.append(RingMember(name, rng.choice(WEIGHTS), f"z{rng.randrange(zones)}"))
    return members


def held(placement: Placement) -> list[tuple[NodeId, ...]]:
    return [it.preference[: 1 + len(it.replicas)] for it in placement.partitions]


def moves(before: Placement, after: Placement) -> int:
    pairs = zip(held(before), held(after), strict=True)
    return sum(len(set(new) - set(old)) for old, new in pairs)


def ring_of(
    members: list[RingMember], partition_count: int, replica_count: int
) -> tuple[list[NodeId], Zones, Limits, int]:
    ring = sorted(members)
    zones = Zones([it.zone for it in ring])
    replica_count = min(replica_count, len(ring) - 1)
    limits = limits_of(zones, [it.weight for it in ring], partition_count, replica_count)
    return [it.id for it in ring], zones, limits, replica_count + 1


def check(placement: Placement, members: list[RingMember], replica_count: int) -> None:
    """All that is promised of a placement alone."""
    count = len(placement.partitions)
    ids, zones, limits, copies = ring_of(members, count, replica_count)
    of_copies = Counter(node for nodes in held(placement) for node in nodes)
    of_primaries = Counter(nodes[0] for nodes in held(placement))
    for number, node in enumerate(ids):
        assert limits.copies_min[number] <= of_copies[node] <= limits.copies_max[number]
        assert of_primaries[node] <= limits.primaries_max[number]
        assert of_primaries[node] >= limits.primaries_min[number]
        assert of_copies[node] - of_primaries[node] <= limits.replicas_max[number]
    zone_of = {it.id: it.zone for it in members}
    least, most = zones.copies_range(copies)
    names = sorted({*zone_of.values()})
    for it, nodes in zip(placement.partitions, held(placement), strict=True):
        assert len({*nodes}) == copies
        assert len({*it.preference}) == len(it.preference) == min(copies + 2, len(ids))
        assert {*it.preference} <= {*ids}
        in_zones = Counter(zone_of[node] for node in nodes)
        for zone, low, high in zip(names, least, most, strict=True):
            assert low <= in_zones[zone] <= high
