"""Replicas under the load bound, on distinct members and zones.

As for primaries, partitions ask clockwise and full members turn away the ones that
have them latest; each partition asks until it has its replicas. Zones come before
the bound: a partition never takes a second copy into a zone while another is free.
So it may be turned away by everyone near that it may ask. Then others make room by exchanges
(``exchange.py``), and where no exchange helps, no placement of replicas beside
these primaries meets the bounds at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop

from shoal_coordinator.placement.ring import Walk
from shoal_coordinator.placement.zones import Zones


class _Asking:
    """One partition that looks for replicas."""

    __slots__ = ("_walk", "holders", "refused")

    def __init__(self, primary: int, walk: Walk) -> None:
        self.holders = [primary]
        self.refused: set[int] = set()
        self._walk = walk

    def next_choice(self, zones: Zones) -> tuple[int, int, int] | None:
        """Return (member, place in the walk, distance) of the first it may ask, or None."""
        closed = zones.closed_to(self.holders)
        place = 0
        while (step := self._walk.near(place)) is not None:
            member, distance = step
            if (
                zones.of[member] not in closed
                and member not in self.refused
                and member not in self.holders
            ):
                return member, place, distance
            place += 1
        return None


def place_replicas(
    zones: Zones,
    walks: Sequence[Walk],
    primaries: Sequence[int],
    bounds: Sequence[int],
    replica_count: int,
) -> tuple[list[list[int]], list[int]]:
    """Place up to ``replica_count`` replicas a partition, none above its bound.

    Returns the holders of each partition, the primary first, then the replicas; and
    the partitions that lack one, each as often as it lacks one.
    """
    asking = [_Asking(primary, walk) for primary, walk in zip(primaries, walks, strict=True)]
    held: list[list[tuple[int, int, int]]] = [[] for _ in bounds]
    short: list[int] = []
    waiting = [partition for partition in range(len(walks)) for _ in range(replica_count)]
    while waiting:
        partition = waiting.pop()
        choice = asking[partition].next_choice(zones)
        if choice is None:
            short.append(partition)
            continue
        member, place, distance = choice
        asking[partition].holders.append(member)
        claim = (-place, -distance, partition)
        if len(held[member]) < bounds[member]:
            heappush(held[member], claim)
            continue
        loser = heappushpop(held[member], claim)[2]
        asking[loser].holders.remove(member)
        asking[loser].refused.add(member)
        waiting.append(loser)
    short.sort()
    return [one.holders for one in asking], short
