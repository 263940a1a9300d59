"""Who comes after a partition's copies in its preference list, so that a takeover from
nothing has somewhere to go.

They hold nothing, so who they are costs nothing; those that stood there stay. Others are
met from a point that differs by partition, in other zones than the copies if there are
such.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal_coordinator.placement.tokens import partition_point
from shoal_coordinator.placement.zones import Zones

_MET_MAX = 64
"""So many members are looked at for one in another zone."""


def with_successors(
    partition: int, holders: Sequence[int], before: Sequence[int], zones: Zones, length: int
) -> list[int]:
    """Return the holders and whom to ask next: ``length`` members, or all if they are fewer.

    ``before``: those that stood behind the holders of old.
    """
    order = [*holders]
    for member in before:
        if len(order) < length and member not in order:
            order.append(member)
    count = len(zones.of)
    length = min(length, count)
    while len(order) < length:
        start = partition_point(partition) % count
        closed = zones.closed_to(order)
        met = [(start + step) % count for step in range(min(count, _MET_MAX + length))]
        others = [member for member in met if member not in order]
        order.append(
            next((member for member in others if zones.of[member] not in closed), others[0])
        )
    return order
