"""Copies that need not have moved go back, each found as a cycle that costs less.

A step before chose well for one copy at a time, and two choices together may be worse
than they need be. A copy that was made for this plan and has not been carried anywhere
yet can be made elsewhere for nothing, and one that was to go can stay for nothing. If by
such exchanges alone room is found for a copy to go back to where it was, one copy less
is made (cycle cancelling, Klein, 1967).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from shoal_coordinator.placement.limits import Limits
from shoal_coordinator.placement.standing import Standing

_LOST_MAX = 128
"""Of more moves a few too many make no difference, and to find them would take long."""
_ANYBODY = -1
"""Between one that takes a copy more within its limits, and one that can do with less."""

_Step: TypeAlias = tuple[int, int, int]
"""Partition, giver, taker."""


def undo_needless(standing: Standing, limits: Limits) -> None:
    """Go on while one copy less can be made so."""
    returning = _Returning(standing, limits)
    is_better = returning.count() <= _LOST_MAX
    while is_better:
        back = [returning.try_back(partition, member) for partition, member in [*returning.lost()]]
        is_better = True in back


class _Returning:
    def __init__(self, standing: Standing, limits: Limits) -> None:
        self._standing = standing
        self._limits = limits
        self._kept = standing.before
        self._changed = [
            partition
            for partition, (old, new) in enumerate(
                zip(standing.before, standing.holders, strict=True)
            )
            if old != new
        ]

    def count(self) -> int:
        return sum(1 for _ in self.lost())

    def lost(self) -> Iterator[tuple[int, int]]:
        for partition in self._changed:
            held = self._standing.holders[partition]
            yield from ((partition, it) for it in self._kept[partition] if it not in held)

    def try_back(self, partition: int, member: int) -> bool:
        standing = self._standing
        held = standing.holders[partition]
        if member in held:
            return False
        for other in [it for it in held if it not in self._kept[partition]]:
            if standing.may_hold(partition, member, other):
                way = self._way(partition, member, other)
                if way is not None and self._carry_out([(partition, other, member), *way]):
                    return True
        return False

    def _way(self, partition: int, start: int, end: int) -> list[_Step] | None:
        """Steps that cost nothing, from one that has a copy too many to one that lacks it."""
        standing, limits = self._standing, self._limits
        loads = standing.loads
        came_from: dict[int, tuple[int, int]] = {start: (start, _ANYBODY)}
        queue = deque([start])
        movable = self._movable(partition)
        while queue:
            giver = queue.popleft()
            if giver == _ANYBODY:
                reached = [
                    (it, _ANYBODY)
                    for it, load in enumerate(loads)
                    if load > limits.copies_min[it] and it not in came_from
                ]
            else:
                reached = [
                    (taker, given)
                    for given in movable.get(giver, ())
                    for taker in self._takers(given, giver)
                    if taker not in came_from
                ]
                if loads[giver] < limits.copies_max[giver] and _ANYBODY not in came_from:
                    reached.append((_ANYBODY, _ANYBODY))
            for taker, given in reached:
                if taker not in came_from:
                    came_from[taker] = (giver, given)
                    queue.append(taker)
            if end in came_from:
                return _steps(came_from, start, end)
        return None

    def _movable(self, but: int) -> dict[int, list[int]]:
        """By member, the changed partitions of which it has a copy."""
        movable: dict[int, list[int]] = {}
        for partition in self._changed:
            if partition != but:
                for member in self._standing.holders[partition]:
                    movable.setdefault(member, []).append(partition)
        return movable

    def _takers(self, partition: int, giver: int) -> Iterator[int]:
        """Who may take this copy for nothing."""
        standing, kept = self._standing, self._kept[partition]
        held = standing.holders[partition]
        if giver in kept:
            for taker in kept:
                if taker not in held and standing.may_hold(partition, taker, giver):
                    yield taker
            return
        for zone in standing.open_zones(partition, giver):
            for taker in standing.zones.members[zone]:
                if taker not in held:
                    yield taker

    def _carry_out(self, steps: Sequence[_Step]) -> bool:
        standing = self._standing
        done: list[_Step] = []
        for partition, giver, taker in steps:
            held = standing.holders[partition]
            if giver not in held or not standing.may_hold(partition, taker, giver):
                for undone, one, other in reversed(done):
                    standing.move(undone, other, one)
                return False
            standing.move(partition, giver, taker)
            done.append((partition, giver, taker))
        return True


def _steps(came_from: dict[int, tuple[int, int]], start: int, end: int) -> list[_Step]:
    steps = []
    taker = end
    while taker != start:
        giver, partition = came_from[taker]
        if partition != _ANYBODY:
            steps.append((partition, giver, taker))
        taker = giver
    return steps[::-1]
