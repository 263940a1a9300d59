"""Who holds copies of what while a placement is worked out: changed in place.

Invariant: ``loads``, ``partitions_of`` and the counts of pairs agree with ``holders``.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal_coordinator.placement.zones import Zones


class Standing:
    """``holders[p]``: the members with a copy of partition p, in the order that is kept.

    ``before[p]``: those that had one to begin with. ``copies`` is how many each partition
    shall have.
    """

    __slots__ = (
        "_least",
        "_most",
        "_shared_by",
        "before",
        "copies",
        "holders",
        "loads",
        "partitions_of",
        "zones",
    )

    def __init__(self, zones: Zones, holders: list[list[int]], copies: int) -> None:
        member_count = len(zones.of)
        self.zones = zones
        self.copies = copies
        self.holders = holders
        self.before = [members.copy() for members in holders]
        self.loads = [0] * member_count
        self.partitions_of: list[dict[int, None]] = [{} for _ in range(member_count)]
        self._least, self._most = zones.copies_range(copies)
        # By member, where it was asked for: how many partitions it has in common with
        # whom. Few are asked for when little changes.
        self._shared_by: dict[int, dict[int, int]] = {}
        loads, partitions_of = self.loads, self.partitions_of
        for partition, members in enumerate(holders):
            for member in members:
                loads[member] += 1
                partitions_of[member][partition] = None

    def give(self, partition: int, member: int) -> None:
        """A copy more. It stands last."""
        members = self.holders[partition]
        assert member not in members
        self._count_pairs(members, member, 1)
        members.append(member)
        self.loads[member] += 1
        self.partitions_of[member][partition] = None

    def take(self, partition: int, member: int) -> None:
        """A copy less."""
        members = self.holders[partition]
        members.remove(member)
        self._count_pairs(members, member, -1)
        self.loads[member] -= 1
        del self.partitions_of[member][partition]

    def move(self, partition: int, giver: int, taker: int) -> None:
        self.take(partition, giver)
        self.give(partition, taker)

    def cost(self, partition: int, giver: int, taker: int) -> int:
        """How many copies more are made if ``taker`` has the giver's copy: -1, 0 or 1."""
        before = self.before[partition]
        return (giver in before) - (taker in before)

    def shared(self, partition: int, taker: int, giver: int | None = None) -> int:
        """How many partitions ``taker`` has in common with those it would be beside."""
        row = self.shared_by(taker)
        total = 0
        for other in self.holders[partition]:
            if other != giver:
                total += row.get(other, 0)
        return total

    def shared_by(self, member: int) -> dict[int, int]:
        """How many partitions it has in common with whom."""
        row = self._shared_by.get(member)
        if row is None:
            row = {}
            for partition in self.partitions_of[member]:
                for other in self.holders[partition]:
                    row[other] = row.get(other, 0) + 1
            self._shared_by[member] = row
        return row

    def _count_pairs(self, members: Sequence[int], member: int, more: int) -> None:
        own = self._shared_by.get(member)
        for other in members:
            if own is not None:
                own[other] = own.get(other, 0) + more
            row = self._shared_by.get(other)
            if row is not None:
                row[member] = row.get(member, 0) + more

    def open_zones(self, partition: int, giver: int | None = None) -> list[int]:
        """The zones that may have one more copy, without the giver's."""
        of, most, least = self.zones.of, self._most, self._least
        counts: dict[int, int] = {}
        for member in self.holders[partition]:
            if member != giver:
                counts[of[member]] = counts.get(of[member], 0) + 1
        if len(most) >= self.copies:
            return [zone for zone in range(len(most)) if zone not in counts]
        # Nobody may be left without what every zone must have.
        held = sum(counts.values())
        owed = sum(max(least[zone] - counts.get(zone, 0), 0) for zone in range(len(most)))
        if owed >= self.copies - held:
            return [z for z in range(len(most)) if counts.get(z, 0) < least[z]]
        return [zone for zone in range(len(most)) if counts.get(zone, 0) < most[zone]]

    def may_hold(self, partition: int, taker: int, giver: int | None = None) -> bool:
        """Whether ``taker`` may have a copy (instead of the giver's)."""
        members = self.holders[partition]
        if taker in members:
            return False
        of = self.zones.of
        zone = of[taker]
        if giver is not None and of[giver] == zone:
            return True
        if len(self._most) < self.copies:
            return zone in self.open_zones(partition, giver)
        return zone not in [of[member] for member in members if member != giver]

    def takers_for(self, giver: int) -> list[int]:
        """Members that could take one of its copies directly, as far as zones tell."""
        if self._least != self._most:
            return [member for member in range(len(self.loads)) if member != giver]
        # Every zone has as many copies of a partition as it may: they stay in it.
        return [it for it in self.zones.members[self.zones.of[giver]] if it != giver]

    givers_for = takers_for
    """And the other way round: it is the same for both."""

    def surplus(self, partition: int) -> Sequence[int]:
        """Holders of which one must go: there are too many, or too many in a zone.

        Empty where nothing is wrong.
        """
        members, of = self.holders[partition], self.zones.of
        zone_count = len(self._most)
        if zone_count == 1:
            return members if len(members) > self.copies else ()
        in_zones = {of[member] for member in members}
        if zone_count >= self.copies >= len(members) == len(in_zones):
            return ()
        counts: dict[int, int] = {}
        for member in members:
            counts[of[member]] = counts.get(of[member], 0) + 1
        crowded = [zone for zone, count in counts.items() if count > self._most[zone]]
        if not crowded and len(members) > self.copies:
            crowded = [z for z, count in counts.items() if count > self._least[z]]
        if not crowded:
            owed = sum(max(self._least[z] - counts.get(z, 0), 0) for z in range(zone_count))
            if owed <= self.copies - len(members):
                return ()
            crowded = [z for z, count in counts.items() if count > self._least[z]]
        return [member for member in members if of[member] in crowded]
