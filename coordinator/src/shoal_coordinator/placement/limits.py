"""What a member may and should hold: the bounds that a placement is kept within.

All go by weight. A member's fair share of copies is its part of all copies, as far as
distinct members and zones allow: a zone of one node that must have a copy of everything
has more than its weight says, and the others less.

- primaries: from floor(0.9 x fair share) to ceil(1.05 x fair share);
- replicas: to ceil(1.05 x fair share);
- copies, which are both: from floor(0.9 x fair share) to the two upper bounds together.

The upper bounds keep a node from being overloaded. The lower ones make a new node worth
its while: with the upper bounds alone the twentieth node would be given nothing at all.
What lies between is what need not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from shoal_coordinator.placement.bounds import filled_shares, load_bounds, raised_bounds
from shoal_coordinator.placement.zones import Zones

FLOOR_NUMERATOR = 9
FLOOR_DENOMINATOR = 10
"""A node has at least 9/10 of its fair share."""


@dataclass(frozen=True, slots=True)
class Limits:
    """By member's number. ``copy_shares`` are the fair shares of copies."""

    primaries_min: list[int]
    primaries_max: list[int]
    replicas_max: list[int]
    copies_min: list[int]
    copies_max: list[int]
    copy_shares: list[Fraction]


def limits_of(
    zones: Zones, weights: Sequence[int], partition_count: int, replica_count: int
) -> Limits:
    """Return the limits; ``replica_count`` is below the number of members.

    They can always be met: the fair shares lie between them, and would do if copies
    could be divided.
    """
    shares = copy_shares(zones, weights, partition_count, replica_count)
    weight_sum = sum(weights)
    primaries_max = load_bounds(weights, partition_count)
    forced = raised_bounds(
        [
            max(share - Fraction(partition_count * weight, weight_sum), Fraction(0))
            for share, weight in zip(shares, weights, strict=True)
        ]
    )
    plain = load_bounds(weights, partition_count * replica_count)
    replicas_max = [max(pair) for pair in zip(plain, forced, strict=True)]
    both = zip(primaries_max, replicas_max, strict=True)
    return Limits(
        primaries_min=[
            FLOOR_NUMERATOR * partition_count * weight // (FLOOR_DENOMINATOR * weight_sum)
            for weight in weights
        ],
        primaries_max=primaries_max,
        replicas_max=replicas_max,
        copies_min=[
            FLOOR_NUMERATOR * share.numerator // (FLOOR_DENOMINATOR * share.denominator)
            for share in shares
        ],
        copies_max=[min(partition_count, primaries + replicas) for primaries, replicas in both],
        copy_shares=shares,
    )


def copy_shares(
    zones: Zones, weights: Sequence[int], partition_count: int, replica_count: int
) -> list[Fraction]:
    """Return every member's fair share of the copies. They sum to the number of copies."""
    by_zone = zones.members
    zone_weights = [sum(weights[member] for member in members) for members in by_zone]
    zone_shares = _zone_shares(zones, zone_weights, partition_count, replica_count)
    shares = [Fraction(0)] * len(weights)
    for members, weight, zone_share in zip(by_zone, zone_weights, zone_shares, strict=True):
        inside = [weights[member] for member in members]
        if zone_share * max(inside) <= partition_count * weight:
            divided = [zone_share * part / weight for part in inside]
        else:
            limits = [Fraction(partition_count)] * len(members)
            divided = filled_shares(inside, limits, zone_share)
        for member, share in zip(members, divided, strict=True):
            shares[member] = share
    return shares


def _zone_shares(
    zones: Zones, zone_weights: Sequence[int], partition_count: int, replica_count: int
) -> list[Fraction]:
    """Divide the copies over zones by weight, within what the rule of zones allows each."""
    least, most = zones.copies_range(replica_count + 1)
    shares = [Fraction(0)] * zones.count
    left = Fraction(partition_count * (replica_count + 1))
    # A zone whose least is more than its weight says has just that; the others share
    # what is left, and then another may be below its least.
    free = list(range(zones.count))
    while free:
        limits = [Fraction(partition_count * most[zone]) for zone in free]
        divided = filled_shares([zone_weights[zone] for zone in free], limits, left)
        below = [
            zone
            for zone, share in zip(free, divided, strict=True)
            if share < partition_count * least[zone]
        ]
        if not below:
            for zone, share in zip(free, divided, strict=True):
                shares[zone] = share
            break
        for zone in below:
            shares[zone] = Fraction(partition_count * least[zone])
            left -= shares[zone]
        free = [zone for zone in free if zone not in below]
    return shares
