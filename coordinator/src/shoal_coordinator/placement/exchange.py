"""Making room for a replica by moving others: shortest augmenting paths.

A partition lacks a replica because every member that it may use is full. If one of
those can give another partition's replica to a member with room, or to one that
can in turn, the chain is carried out and nobody ends above its bound. If there is
no chain, then no assignment of replicas beside these primaries meets the bounds
(Ford and Fulkerson, on partitions, zones and members).
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from shoal_coordinator.placement.zones import Zones

_Elsewhere: TypeAlias = tuple[int, ...]
_NOBODY = -1
"""The giver of a replica that is new."""


class Exchange:
    """Holders of every partition, changed in place. ``holders[p][0]`` is the primary."""

    def __init__(self, zones: Zones, holders: list[list[int]], bounds: Sequence[int]) -> None:
        self._zones = zones
        self._holders = holders
        self._bounds = list(bounds)
        self._full: list[int] = []
        self._loads = [0] * len(bounds)
        # By member: its replicas, grouped by the zones of their other holders, since
        # those alone say where a replica could go.
        self._groups: list[dict[_Elsewhere, dict[int, None]]] = [{} for _ in bounds]
        for partition in range(len(holders)):
            self._enter(partition)
        # By zone, ordered: the members with room.
        self._roomy: list[list[int]] = [[] for _ in range(zones.count)]
        for member, zone in enumerate(zones.of):
            if self._loads[member] < self._bounds[member]:
                self._roomy[zone].append(member)

    def place(self, partition: int) -> bool:
        """Give the partition one more replica; False if no chain of exchanges allows it."""
        search = _Search(self._zones, self._holders, self._roomy)
        end = search.reach(_NOBODY, partition)
        while end is None and search.queue:
            giver = search.queue.popleft()
            for group in self._groups[giver].values():
                end = search.reach_from_group(giver, group)
                if end is not None:
                    break
        if end is None:
            self._full = list(search.came_from)
            return False
        self._carry_out(end, search.came_from)
        return True

    def raise_bounds(self) -> None:
        """After ``place`` failed: raise the bounds of those that it found full, by 1/20.

        They hold what nobody else may hold, and are too few for it.
        """
        assert self._full, "nobody at all may hold it"
        for member in self._full:
            self._bounds[member] += max(1, self._bounds[member] // 20)
            insort(self._roomy[self._zones.of[member]], member)

    def _carry_out(self, end: int, came_from: dict[int, tuple[int, int]]) -> None:
        taker = end
        while taker != _NOBODY:
            giver, partition = came_from[taker]
            self._withdraw(partition)
            if giver != _NOBODY:
                self._holders[partition].remove(giver)
            self._holders[partition].append(taker)
            self._enter(partition)
            taker = giver
        if self._loads[end] == self._bounds[end]:
            self._roomy[self._zones.of[end]].remove(end)

    def _enter(self, partition: int) -> None:
        for member, elsewhere in self._replicas_of(partition):
            self._groups[member].setdefault(elsewhere, {})[partition] = None
            self._loads[member] += 1

    def _withdraw(self, partition: int) -> None:
        for member, elsewhere in self._replicas_of(partition):
            group = self._groups[member][elsewhere]
            del group[partition]
            if not group:
                del self._groups[member][elsewhere]
            self._loads[member] -= 1

    def _replicas_of(self, partition: int) -> Iterator[tuple[int, _Elsewhere]]:
        holders = self._holders[partition]
        for member in holders[1:]:
            zones = sorted(self._zones.of[other] for other in holders if other != member)
            yield member, tuple(zones)


class _Search:
    """One breadth-first search for a chain."""

    __slots__ = (
        "_holders",
        "_nothing_left",
        "_roomy",
        "_untouched",
        "_zones",
        "came_from",
        "queue",
    )

    def __init__(
        self, zones: Zones, holders: Sequence[Sequence[int]], roomy: Sequence[Sequence[int]]
    ) -> None:
        self._zones = zones
        self._holders = holders
        self._roomy = roomy
        self._untouched = [list(members) for members in zones.members]
        # came_from[m]: who gives, and the partition whose replica it gives to m.
        self.came_from: dict[int, tuple[int, int]] = {}
        self.queue: deque[int] = deque()
        # Whether the zones that the last one could go to are reached completely.
        self._nothing_left = False

    def reach_from_group(self, giver: int, group: Iterable[int]) -> int | None:
        """As ``reach``, for replicas that may go to the same zones."""
        for given in group:
            end = self.reach(giver, given)
            if end is not None or self._nothing_left:
                return end
        return None

    def reach(self, giver: int, given: int) -> int | None:
        """Reach all that could take ``given`` from ``giver``; return one with room, if any."""
        holders = self._holders[given]
        closed = self._zones.closed_to([member for member in holders if member != giver])
        allowed = [zone for zone in range(self._zones.count) if zone not in closed]
        for zone in allowed:
            takers = [member for member in self._roomy[zone] if member not in holders]
            if takers:
                # Spread over them by the partition's number.
                end = takers[given % len(takers)]
                self.came_from[end] = (giver, given)
                return end
        for zone in allowed:
            for member in self._untouched[zone]:
                if member not in holders:
                    self.came_from[member] = (giver, given)
                    self.queue.append(member)
            self._untouched[zone] = [m for m in self._untouched[zone] if m in holders]
        self._nothing_left = not any(self._untouched[zone] for zone in allowed)
        return None
