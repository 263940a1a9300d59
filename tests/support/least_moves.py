"""The least number of copies that must be made, by minimum-cost flows: slow, and nearly exact.

Nothing here is shared with the planner but the limits themselves. Copies flow from each
partition through its zones to members; a copy on a member that has none of the partition
costs 1. What must be there at least (a member's least, a zone's least) is an edge that
pays more than all copies cost. Successive shortest paths (Busacker and Gowen, 1960).

Copies and primaries flow each by themselves, and the dearer of the two counts: a primary
must be a holder, so one where none was is a copy that is made. What only both together
ask for is left out: so this is never above the true least.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from shoal_coordinator.placement.limits import Limits
from shoal_coordinator.placement.zones import Zones


class _Network:
    def __init__(self) -> None:
        self.edges: list[list[int]] = [[]]
        self.ends: list[int] = []
        self.room: list[int] = []
        self.cost: list[int] = []

    def node(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def edge(self, start: int, end: int, room: int, cost: int) -> None:
        for tail, head, free, price in ((start, end, room, cost), (end, start, 0, -cost)):
            self.edges[tail].append(len(self.ends))
            self.ends.append(head)
            self.room.append(free)
            self.cost.append(price)

    def bounded(self, start: int, end: int, least: int, most: int, reward: int) -> None:
        """At least ``least``, where it is possible, and at most ``most``."""
        self.edge(start, end, least, -reward)
        self.edge(start, end, most - least, 0)

    def push(self, source: int, sink: int) -> int | None:
        """Send one unit along the cheapest way; return its cost."""
        far = [1 << 60] * len(self.edges)
        by: list[int] = [-1] * len(self.edges)
        far[source] = 0
        queue, queued = deque([source]), {source}
        while queue:
            node = queue.popleft()
            queued.discard(node)
            for it in self.edges[node]:
                end, price = self.ends[it], far[node] + self.cost[it]
                if self.room[it] and price < far[end]:
                    far[end], by[end] = price, it
                    if end not in queued:
                        queue.append(end)
                        queued.add(end)
        if by[sink] < 0:
            return None
        node = sink
        while node != source:
            it = by[node]
            self.room[it] -= 1
            self.room[it ^ 1] += 1
            node = self.ends[it ^ 1]
        return far[sink]


def least_moves(before: Sequence[Sequence[int]], zones: Zones, limits: Limits, copies: int) -> int:
    """``before``: by partition, the members that hold a copy of it.

    Asserts that there is a placement within the limits.
    """
    return max(
        _least_for_copies(before, zones, limits, copies), _least_for_primaries(before, limits)
    )


def _least_for_primaries(before: Sequence[Sequence[int]], limits: Limits) -> int:
    reward = len(before) + 1
    network = _Network()
    sink = network.node()
    members = [network.node() for _ in limits.primaries_max]
    for held in before:
        partition = network.node()
        network.edge(0, partition, 1, 0)
        for member, node in enumerate(members):
            network.edge(partition, node, 1, 0 if member in held else 1)
    for node, low, high in zip(members, limits.primaries_min, limits.primaries_max, strict=True):
        network.bounded(node, sink, low, high, reward)
    return _cost(network, sink, len(before), sum(limits.primaries_min) * reward)


def _least_for_copies(
    before: Sequence[Sequence[int]], zones: Zones, limits: Limits, copies: int
) -> int:
    total = len(before) * copies
    reward = total + 1
    network = _Network()
    sink = network.node()
    members = [network.node() for _ in zones.of]
    least, most = zones.copies_range(copies)
    for held in before:
        partition = network.node()
        network.edge(0, partition, copies, 0)
        for zone, here in enumerate(zones.members):
            inside = network.node()
            network.bounded(partition, inside, least[zone], most[zone], reward)
            for member in here:
                network.edge(inside, members[member], 1, 0 if member in held else 1)
    for member, node in enumerate(members):
        low, high = limits.copies_min[member], limits.copies_max[member]
        network.bounded(node, sink, low, high, reward)
    rewarded = sum(limits.copies_min) + len(before) * sum(least)
    return _cost(network, sink, total, rewarded * reward)


def _cost(network: _Network, sink: int, units: int, rewarded: int) -> int:
    """Send all units; return what they cost but for the rewards."""
    cost = rewarded
    for _ in range(units):
        price = network.push(0, sink)
        assert price is not None, "the limits leave no room"
        cost += price
    assert cost <= units, "something that must be there is missing"
    return cost
