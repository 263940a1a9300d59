"""Chains of copies: where nobody with room may take a copy, others make room for it.

One breadth-first search each, so chains are as short as can be. If there is none, then no
sequence of single exchanges helps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from shoal_coordinator.placement.limits import Limits
from shoal_coordinator.placement.standing import Standing

_NOBODY = -1
"""The giver of a copy that is new."""


def give_by_chain(standing: Standing, limits: Limits, partition: int) -> bool:
    """Give the partition a copy more on a full member that gives another away."""
    search = _Search(standing, lambda it: standing.loads[it] < limits.copies_max[it])
    return search.run([(_NOBODY, partition)])


def relieve_by_chain(
    standing: Standing, limits: Limits, giver: int | None, taker: int | None
) -> bool:
    """Have ``giver`` (anybody above its least, if None) hold a copy less, and ``taker``
    (anybody below its most, if None) one more.
    """
    if giver is None:
        givers = [
            member for member, load in enumerate(standing.loads) if load > limits.copies_min[member]
        ]
    else:
        givers = [giver]

    def is_end(member: int) -> bool:
        if taker is None:
            return standing.loads[member] < limits.copies_max[member]
        return member == taker

    search = _Search(standing, is_end, givers)
    return search.run([(it, p) for it in givers for p in standing.partitions_of[it]])


class _Search:
    def __init__(
        self, standing: Standing, is_end: Callable[[int], bool], givers: Iterable[int] = ()
    ) -> None:
        self._standing = standing
        self._is_end = is_end
        reached = set(givers)
        self._untouched = [
            [it for it in members if it not in reached] for members in standing.zones.members
        ]
        # came_from[m]: who gives, and the partition whose copy it gives to m.
        self._came_from: dict[int, tuple[int, int]] = {}
        self._queue: deque[int] = deque()

    def run(self, starts: Iterable[tuple[int, int]]) -> bool:
        """Search from copies that may be given; carry a chain out if there is one."""
        for giver, partition in starts:
            if self._reach(giver, partition):
                return True
        while self._queue:
            giver = self._queue.popleft()
            for partition in [*self._standing.partitions_of[giver]]:
                if self._reach(giver, partition):
                    return True
        return False

    def _reach(self, giver: int, partition: int) -> bool:
        standing = self._standing
        holders = standing.holders[partition]
        for zone in standing.open_zones(partition, None if giver == _NOBODY else giver):
            untouched = self._untouched[zone]
            if not untouched:
                continue
            left = []
            for member in untouched:
                if member in holders:
                    left.append(member)
                    continue
                self._came_from[member] = (giver, partition)
                if self._is_end(member) and self._carry_out(member):
                    return True
                self._queue.append(member)
            self._untouched[zone] = left
        return False

    def _carry_out(self, end: int) -> bool:
        """Carry the chain out from its end; undo it where a partition is in it twice."""
        standing = self._standing
        done: list[tuple[int, int, int]] = []
        taker = end
        while taker in self._came_from:
            giver, partition = self._came_from[taker]
            from_whom = None if giver == _NOBODY else giver
            is_there = from_whom is None or from_whom in standing.holders[partition]
            if not is_there or not standing.may_hold(partition, taker, from_whom):
                for undone, one, other in reversed(done):
                    standing.move(undone, other, one)
                return False
            if giver == _NOBODY:
                standing.give(partition, taker)
                return True
            standing.move(partition, giver, taker)
            done.append((partition, giver, taker))
            taker = giver
        return True
