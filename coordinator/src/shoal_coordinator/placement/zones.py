"""Distinct zones while there are enough: which zones may take the next copy.

The rule: the next copy of a partition goes to a zone that holds fewest of its
copies, among the zones that still have a member without one. So the first copies
are in distinct zones, and once every zone has one they fill up evenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Zones:
    """The zones of a ring's members, by number. Immutable."""

    __slots__ = ("_sizes", "members", "of")

    def __init__(self, zone_names: Sequence[str]) -> None:
        numbers = {name: number for number, name in enumerate(sorted(set(zone_names)))}
        self.of = [numbers[name] for name in zone_names]
        self.members: list[list[int]] = [[] for _ in numbers]
        for member, zone in enumerate(self.of):
            self.members[zone].append(member)
        self._sizes = [len(members) for members in self.members]

    @property
    def count(self) -> int:
        return len(self._sizes)

    def most_copies(self, copies: int) -> int:
        """Return how many of a partition's copies a zone may have, at most."""
        assert 0 < copies <= len(self.of)
        most = 1
        while sum(min(size, most) for size in self._sizes) < copies:
            most += 1
        return most

    def copies_range(self, copies: int) -> tuple[list[int], list[int]]:
        """Return, by zone, how many of a partition's copies it has at least and at most."""
        level = self.most_copies(copies)
        most = [min(size, level) for size in self._sizes]
        if sum(most) == copies:
            return most, most
        return [min(size, level - 1) for size in self._sizes], most

    def closed_to(self, holders: Iterable[int]) -> set[int]:
        """Return the zones that may not take the next copy, given who has one."""
        of = self.of
        in_zones = [of[member] for member in holders]
        if len(zones := set(in_zones)) < len(self._sizes):
            return zones
        counts = {zone: in_zones.count(zone) for zone in zones}
        with_room = [z for z, size in enumerate(self._sizes) if counts[z] < size]
        least = min((counts[z] for z in with_room), default=0)
        return {z for z in counts if counts[z] != least or counts[z] >= self._sizes[z]}
