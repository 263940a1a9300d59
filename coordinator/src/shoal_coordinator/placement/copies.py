"""Which copies move so that a placement is within its limits again: few of them.

In this order, each step doing with a copy what the next would need another for:

1. Copies that stand where the rule of zones, or the number of copies, forbids go.
2. Partitions that lack a copy get one: where one is left that is in sync, else on a
   member below its least, else on one of the emptiest.
3. Members below their least are given copies by those above their most, else by the
   fullest.
4. Members above their most give copies to the emptiest.
5. Where nobody can take a copy directly, a chain does: one member gives a copy to a
   second, which gives another to a third (augmenting paths, Ford and Fulkerson).
6. What turns out to have moved needlessly stays.

Only 1, 2 and 4 are forced by upper bounds and only 3 by lower ones; a copy that goes from
above a bound to below one serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heapreplace

from shoal_coordinator.placement.chains import give_by_chain, relieve_by_chain
from shoal_coordinator.placement.limits import Limits
from shoal_coordinator.placement.returns import undo_needless
from shoal_coordinator.placement.standing import Standing
from shoal_coordinator.placement.transfers import ByLoad, Offers, Scale, emptiest_zones

_TAKERS_COMPARED = 8
_ZONES_COMPARED = 8


def settle_copies(
    standing: Standing,
    limits: Limits,
    elsewhere: Callable[[int], Sequence[int]],
    sizes: Sequence[int] | None,
) -> None:
    """Move copies until the limits hold, or nothing brings them nearer.

    ``elsewhere``: members with a copy of a partition in sync, wanted or not.
    """
    settling = _Settling(standing, limits, elsewhere, sizes)
    settling.drop_surplus()
    settling.fill_gaps()
    settling.fill_up()
    settling.relieve()
    undo_needless(standing, limits)


class _Settling:
    def __init__(
        self,
        standing: Standing,
        limits: Limits,
        elsewhere: Callable[[int], Sequence[int]],
        sizes: Sequence[int] | None,
    ) -> None:
        self._standing = standing
        self._limits = limits
        self._elsewhere = elsewhere
        self._sizes = sizes
        self._made: list[tuple[int, int]] = []
        self._scale = Scale(limits.copy_shares)

    def _fullness(self, member: int) -> int:
        return self._scale.of(member, self._standing.loads[member])

    def _has_room(self, member: int) -> bool:
        return self._standing.loads[member] < self._limits.copies_max[member]

    def drop_surplus(self) -> None:
        """Where a copy must go, it goes from whoever is fullest."""
        standing = self._standing
        for partition in range(len(standing.holders)):
            while surplus := standing.surplus(partition):
                standing.take(partition, max(surplus, key=lambda m: (self._fullness(m), m)))

    def fill_gaps(self) -> None:
        standing, zones = self._standing, self._standing.zones
        gaps = [p for p, members in enumerate(standing.holders) if len(members) < standing.copies]
        if not gaps:
            return
        by_zone = [ByLoad(members, self._fullness) for members in zones.members]
        for partition in gaps:
            while len(standing.holders[partition]) < standing.copies:
                taker = self._taker_of(partition, by_zone)
                if taker is not None:
                    standing.give(partition, taker)
                    self._made.append((partition, taker))
                elif not give_by_chain(standing, self._limits, partition):
                    standing.give(partition, self._least_bad(partition))

    def _taker_of(self, partition: int, by_zone: Sequence[ByLoad]) -> int | None:
        standing = self._standing
        for member in self._elsewhere(partition):
            if self._has_room(member) and standing.may_hold(partition, member):
                return member
        holders = standing.holders[partition]
        zones = standing.open_zones(partition)
        each = _TAKERS_COMPARED if len(zones) <= _ZONES_COMPARED else 1
        takers = [
            member
            for zone in emptiest_zones(zones, by_zone, _ZONES_COMPARED)
            for member in by_zone[zone].several(
                lambda it: it not in holders and self._has_room(it), each
            )
        ]
        return min(
            takers,
            key=lambda it: (
                standing.loads[it] >= self._limits.copies_min[it],
                standing.shared(partition, it),
                self._fullness(it),
                it,
            ),
            default=None,
        )

    def _least_bad(self, partition: int) -> int:
        standing, zones = self._standing, self._standing.zones
        holders = standing.holders[partition]
        takers = [
            member
            for zone in standing.open_zones(partition)
            for member in zones.members[zone]
            if member not in holders
        ]
        return min(takers, key=lambda it: (self._fullness(it), it))

    def fill_up(self) -> None:
        """Give those below their least what they lack."""
        standing, limits = self._standing, self._limits
        loads, least, most = standing.loads, limits.copies_min, limits.copies_max
        below = [member for member, load in enumerate(loads) if load < least[member]]
        # Those above their most give first, then the fullest.
        overfull = max(map(self._fullness, range(len(loads)))) + 1

        def key(giver: int) -> int:
            return -self._fullness(giver) - (overfull if loads[giver] > most[giver] else 0)

        for taker in sorted(below, key=lambda it: (self._fullness(it), it)):
            self._redirect(taker)
            givers = [(key(it), it) for it in standing.givers_for(taker) if loads[it] > least[it]]
            heapify(givers)
            offers: dict[int, Offers] = {}
            while loads[taker] < least[taker]:
                if not givers:
                    if not relieve_by_chain(standing, limits, None, taker):
                        break
                    continue
                giver = givers[0][1]
                if giver not in offers:
                    offers[giver] = Offers(standing, giver, taker, self._sizes)
                partition = offers[giver].best()
                if partition is not None:
                    standing.move(partition, giver, taker)
                if partition is None or loads[giver] <= least[giver]:
                    heappop(givers)
                else:
                    heapreplace(givers, (key(giver), giver))

    def _redirect(self, taker: int) -> None:
        """Have copies that are to be made anyway be made here instead, as far as it needs."""
        standing, least = self._standing, self._limits.copies_min
        loads = standing.loads
        for place, (partition, member) in enumerate(self._made):
            if loads[taker] >= least[taker]:
                return
            if (
                loads[member] > least[member]
                and member in standing.holders[partition]
                and standing.may_hold(partition, taker, member)
            ):
                standing.move(partition, member, taker)
                self._made[place] = (partition, taker)

    def relieve(self) -> None:
        """Have those above their most give what is too much."""
        standing = self._standing
        loads, most = standing.loads, self._limits.copies_max
        for giver in [member for member, load in enumerate(loads) if load > most[member]]:
            takers = [
                (self._fullness(it), it) for it in standing.takers_for(giver) if self._has_room(it)
            ]
            heapify(takers)
            offers: dict[int, Offers] = {}
            while loads[giver] > most[giver]:
                if not takers:
                    if not relieve_by_chain(standing, self._limits, giver, None):
                        break
                    continue
                taker = takers[0][1]
                if taker not in offers:
                    offers[taker] = Offers(standing, giver, taker, self._sizes)
                partition = offers[taker].best()
                if partition is not None:
                    standing.move(partition, giver, taker)
                if partition is None or not self._has_room(taker):
                    heappop(takers)
                else:
                    heapreplace(takers, (self._fullness(taker), taker))
