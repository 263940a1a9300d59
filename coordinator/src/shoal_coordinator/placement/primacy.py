"""Which of its holders is a partition's primary: as few changes as the limits allow.

A change among holders moves no data. A member may have too many primaries, or too few,
or so few that more of its copies are replicas than may be; what it gives or takes goes to
or comes from a holder beside it, directly or by a chain (augmenting paths, as for
copies). Where no chain helps because the copies stand wrongly, a copy moves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from shoal_coordinator.placement.limits import Limits
from shoal_coordinator.placement.standing import Standing


class Primacy:
    """``of[p]``: the primary, one of the holders. ``counts``: by member."""

    def __init__(self, standing: Standing, limits: Limits, before: Sequence[int | None]) -> None:
        self._standing = standing
        self._limits = limits
        self.counts = [0] * len(standing.loads)
        self._having: list[dict[int, None]] = [{} for _ in standing.loads]
        self.of = [-1] * len(standing.holders)
        vacant = []
        for partition, member in enumerate(before):
            if member is not None and partition in standing.partitions_of[member]:
                self._begin(partition, member)
            else:
                vacant.append(partition)
        for partition in vacant:
            heirs = standing.holders[partition]
            self._begin(partition, min(heirs, key=lambda it: (self._fullness(it), it)))

    def settle(self) -> None:
        """Bring the counts within the limits."""
        least = self._least
        most = self._limits.primaries_max
        for member, count in enumerate(self.counts):
            if count > most[member]:
                self._give_directly(member)
        for member, count in enumerate(self.counts):
            if count < least(member):
                self._take_directly(member)
        while over := [it for it, count in enumerate(self.counts) if count > most[it]]:
            if not (
                self._by_chain(over, lambda it: self.counts[it] < most[it]) or self._by_copy(over)
            ):
                break
        for member in range(len(self.counts)):
            self._take_by_chain(member)
        self._even_replicas()

    def _take_by_chain(self, taker: int) -> None:
        while self.counts[taker] < self._least(taker):
            if not (self._take_from(taker, self._least) or self._take_from_crowded(taker)):
                return

    def _take_from(self, taker: int, least: Callable[[int], int]) -> bool:
        able = [it for it, count in enumerate(self.counts) if count > least(it)]
        return self._by_chain(able, lambda it: it == taker)

    def _take_from_crowded(self, taker: int) -> bool:
        """From a member that will then have more replicas than it may, and gives one away."""
        least = self._limits.primaries_min
        return self.counts[taker] < least[taker] and self._take_from(taker, least.__getitem__)

    def _least(self, member: int) -> int:
        limits = self._limits
        too_many = self._standing.loads[member] - limits.replicas_max[member]
        return min(max(limits.primaries_min[member], too_many), limits.primaries_max[member])

    def _fullness(self, member: int) -> int:
        return self.counts[member] * (1 << 20) // max(self._limits.primaries_max[member], 1)

    def _begin(self, partition: int, member: int) -> None:
        self.of[partition] = member
        self.counts[member] += 1
        self._having[member][partition] = None

    def _change(self, partition: int, member: int) -> None:
        old = self.of[partition]
        self.counts[old] -= 1
        del self._having[old][partition]
        self._begin(partition, member)

    def _give_directly(self, giver: int) -> None:
        most = self._limits.primaries_max
        for partition in [*self._having[giver]]:
            if self.counts[giver] <= most[giver]:
                return
            able = [it for it in self._standing.holders[partition] if self.counts[it] < most[it]]
            if able and giver not in able:
                self._change(partition, min(able, key=lambda it: (self._fullness(it), it)))

    def _take_directly(self, taker: int) -> None:
        """From those that have too many first, then from those with most, then from any."""
        most = self._limits.primaries_max
        tests: list[Callable[[int], bool]] = [
            lambda it: self.counts[it] > most[it],
            lambda it: self._fullness(it) > self._fullness(taker) and self.counts[it] == most[it],
            lambda it: self.counts[it] > self._least(it),
        ]
        for may_give in tests:
            for partition in self._standing.partitions_of[taker]:
                if self.counts[taker] >= self._least(taker):
                    return
                giver = self.of[partition]
                if giver != taker and self.counts[giver] > self._least(giver) and may_give(giver):
                    self._change(partition, taker)

    def _by_chain(self, givers: Iterable[int], is_end: Callable[[int], bool]) -> bool:
        came_from = self._reach(givers, is_end)
        end = next((it for it in came_from if is_end(it)), None)
        if end is None:
            return False
        self._carry_out(end, came_from)
        return True

    def _reach(
        self, givers: Iterable[int], is_end: Callable[[int], bool]
    ) -> dict[int, tuple[int, int]]:
        """Return all that can be reached, with the partition by which; stops at an end."""
        starts = [*givers]
        seen = set(starts)
        came_from: dict[int, tuple[int, int]] = {}
        queue = deque(starts)
        while queue:
            giver = queue.popleft()
            for partition in self._having[giver]:
                for taker in self._standing.holders[partition]:
                    if taker in seen:
                        continue
                    seen.add(taker)
                    came_from[taker] = (giver, partition)
                    if is_end(taker):
                        return came_from
                    queue.append(taker)
        return came_from

    def _carry_out(self, end: int, came_from: dict[int, tuple[int, int]]) -> None:
        taker = end
        while taker in came_from:
            giver, partition = came_from[taker]
            self._change(partition, taker)
            taker = giver

    def _by_copy(self, over: Sequence[int]) -> bool:
        """Move a primary's copy out of those that are full together, and the primacy with it."""
        standing, limits = self._standing, self._limits
        came_from = self._reach(over, lambda _: False)
        full = sorted({*over, *came_from})
        takers = [
            it
            for it, count in enumerate(self.counts)
            if count < limits.primaries_max[it] and it not in came_from
        ]
        takers.sort(
            key=lambda it: (standing.loads[it] >= limits.copies_max[it], self._fullness(it), it)
        )
        ways = [
            (standing.cost(partition, giver, taker), place, giver, partition, taker)
            for place, taker in enumerate(takers)
            for giver in full
            for partition in self._having[giver]
            if standing.may_hold(partition, taker, giver)
        ]
        if not ways:
            return False
        _, _, giver, partition, taker = min(ways)
        standing.move(partition, giver, taker)
        self._change(partition, taker)
        self._carry_out(giver, came_from)
        return True

    def _even_replicas(self) -> None:
        """Move replicas from who has too many, and cannot be primary of more, to others."""
        standing, most = self._standing, self._limits.replicas_max
        loads, counts = standing.loads, self.counts
        for giver in range(len(loads)):
            for partition in [*standing.partitions_of[giver]]:
                if loads[giver] - counts[giver] <= most[giver]:
                    break
                if self.of[partition] == giver:
                    continue
                able = [
                    it
                    for it in range(len(loads))
                    if loads[it] - counts[it] < most[it]
                    and loads[it] < self._limits.copies_max[it]
                    and standing.may_hold(partition, it, giver)
                ]
                if not able or loads[giver] <= self._limits.copies_min[giver]:
                    continue
                standing.move(
                    partition, giver, min(able, key=lambda it: (loads[it] - most[it], it))
                )
