"""Primaries under the load bound: deferred acceptance on the ring.

Each partition asks the members clockwise. A member that is full keeps those that
have it earliest in their walk, then those nearest to it, and turns the last away,
which asks on. The outcome is the same whatever the order in which partitions ask
(Gale and Shapley), which is what keeps a change of membership local: a partition
moves between two members that stay only if the one it had earlier in its walk is,
or was, full.

Every partition is placed: the bounds sum to at least the number of partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop

from shoal_coordinator.placement.ring import Walk


def place_primaries(walks: Sequence[Walk], bounds: Sequence[int]) -> list[int]:
    """Return the member's number for each partition's walk. ``bounds``: by member's number."""
    assert sum(bounds) >= len(walks), "the bounds leave no room for every partition"
    ranks = [0] * len(walks)
    chosen = [-1] * len(walks)
    # Heaps with the one to turn away first on top: latest choice, then farthest.
    held: list[list[tuple[int, int, int]]] = [[] for _ in bounds]
    asking = list(range(len(walks)))
    while asking:
        partition = asking.pop()
        step = walks[partition].at(ranks[partition])
        assert step is not None, "every member is full, against the bounds"
        member, distance = step
        ranks[partition] += 1
        chosen[partition] = member
        claim = (-ranks[partition], -distance, partition)
        if len(held[member]) < bounds[member]:
            heappush(held[member], claim)
        else:
            asking.append(heappushpop(held[member], claim)[2])
    return chosen
