"""The preference list of a partition: who should hold it, and who takes over next.

The wanted primary comes first, then the replicas in the order of the walk, then
whom the walk meets next, by the same rule of zones.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal_coordinator.placement.ring import Walk
from shoal_coordinator.placement.zones import Zones


def preference(walk: Walk, zones: Zones, holders: Sequence[int], length: int) -> list[int]:
    """Return up to ``length`` distinct members; ``holders[0]`` is the primary."""
    replicas = set(holders[1:])
    order = [holders[0]]
    place = 0
    while len(order) < len(holders) and (step := walk.near(place)) is not None:
        if step[0] in replicas:
            order.append(step[0])
        place += 1
    # Those that an exchange found farther away.
    order += sorted(replicas.difference(order))
    while len(order) < length and (member := _next(walk, zones, order)) is not None:
        order.append(member)
    return order


def _next(walk: Walk, zones: Zones, order: Sequence[int]) -> int | None:
    """Return whom the walk meets next outside ``order``, in a zone that is free if one is near."""
    closed = zones.closed_to(order)
    place = 0
    second_best: int | None = None
    while (step := walk.near(place)) is not None:
        member = step[0]
        if member not in order:
            if zones.of[member] not in closed:
                return member
            if second_best is None:
                second_best = member
        place += 1
    return second_best
