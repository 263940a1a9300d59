"""Whom to take a copy from, and whom to give one to: members in the order of their load.

Loads are compared with fair shares in integers, so that every process and every release
finds the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush, nsmallest

from shoal_coordinator.placement.standing import Standing

_UNIT = 1 << 20
_LOOKED_AT = 16
"""So many partitions are compared for where a copy adds least to what two members share."""


class Scale:
    """A member's load as a part of its fair share, in whole numbers."""

    __slots__ = ("_parts",)

    def __init__(self, shares: Sequence[Fraction]) -> None:
        self._parts = [max(share.numerator * 1024 // share.denominator, 1) for share in shares]

    def of(self, member: int, load: int) -> int:
        return load * _UNIT // self._parts[member]


class ByLoad:
    """Members by how full they are, the emptiest first.

    The key is read again at every look: loads may have grown meanwhile.
    """

    __slots__ = ("_heap", "_key")

    def __init__(self, members: Sequence[int], key: Callable[[int], int]) -> None:
        self._key = key
        self._heap = [(key(member), member) for member in members]
        heapify(self._heap)

    def several(self, suits: Callable[[int], bool], count: int) -> list[int]:
        """Return up to ``count`` that suit, in order."""
        heap = self._heap
        found: list[int] = []
        seen: list[tuple[int, int]] = []
        while heap and len(found) < count:
            key, member = heappop(heap)
            now = self._key(member)
            if now != key:
                heappush(heap, (now, member))
                continue
            seen.append((key, member))
            if suits(member):
                found.append(member)
        for entry in seen:
            heappush(heap, entry)
        return found

    def top(self) -> int | None:
        """Return the key of the first."""
        heap = self._heap
        while heap:
            key, member = heap[0]
            now = self._key(member)
            if now == key:
                return key
            heappop(heap)
            heappush(heap, (now, member))
        return None


class Offers:
    """The partitions of which a giver's copy could go to a taker, the best first.

    Small ones first, if sizes are known; of those the one whose other holders have much in
    common with the giver and little with the taker.
    """

    __slots__ = ("_ahead", "_giver", "_looked_at", "_sizes", "_standing", "_taker")

    def __init__(
        self, standing: Standing, giver: int, taker: int, sizes: Sequence[int] | None
    ) -> None:
        self._standing = standing
        self._giver = giver
        self._taker = taker
        self._sizes = sizes
        partitions = sorted(standing.partitions_of[giver])
        if sizes is not None:
            partitions.sort(key=lambda partition: sizes[partition])
        self._ahead: Iterator[int] = iter(partitions)
        self._looked_at: list[int] = []

    def best(self) -> int | None:
        """Return the best that still stands, or None if there is none."""
        standing, giver, taker = self._standing, self._giver, self._taker
        here = standing.partitions_of[giver]
        ready = [
            partition
            for partition in self._looked_at
            if partition in here and standing.may_hold(partition, taker, giver)
        ]
        while len(ready) < _LOOKED_AT:
            partition = next(self._ahead, None)
            if partition is None:
                break
            if partition in here and standing.may_hold(partition, taker, giver):
                ready.append(partition)
        self._looked_at = ready
        sizes = self._sizes
        if sizes is None:
            return min(ready, key=lambda p: (self._crowding(p), p), default=None)
        return min(ready, key=lambda p: (sizes[p], self._crowding(p), p), default=None)

    def _crowding(self, partition: int) -> int:
        """What the taker has in common with the other holders, beyond what the giver has."""
        standing, giver, taker = self._standing, self._giver, self._taker
        return standing.shared(partition, taker, giver) - standing.shared(partition, giver, giver)


def emptiest_zones(zones: Sequence[int], members: Sequence[ByLoad], count: int) -> list[int]:
    """Of many zones those few whose emptiest members are emptiest."""
    if len(zones) <= count:
        return [*zones]
    tops = [(top, zone) for zone in zones if (top := members[zone].top()) is not None]
    return [zone for _, zone in nsmallest(count, tops)]
