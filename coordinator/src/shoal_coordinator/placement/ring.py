"""The ring: every member's tokens in one sorted circle, and the walk around it.

Members are numbered by the order of their ids, so that nothing depends on the
order in which they were given. Two tokens at the same point (a chance of 2^-64 a
pair) stand in the order of those numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shoal_coordinator.placement.tokens import RING_SIZE, node_tokens
from shoal_coordinator.registry.records import NodeId


@dataclass(frozen=True, slots=True, order=True)
class RingMember:
    """A node that placement may use. Weight 0 owns nothing."""

    id: NodeId
    weight: int
    zone: str

    def __post_init__(self) -> None:
        assert self.weight >= 0, f"{self.id}: weight {self.weight} is below 0"


class Ring:
    """Immutable. ``members`` holds those of positive weight, ordered by id."""

    __slots__ = ("_owners", "_points", "members")

    def __init__(self, members: Iterable[RingMember]) -> None:
        self.members = tuple(sorted(member for member in members if member.weight > 0))
        assert len({member.id for member in self.members}) == len(self.members), "an id twice"
        # One integer a token, the owner in its low bits, sorts several times faster
        # than pairs do.
        owner_bits = max(1, len(self.members).bit_length())
        tokens = [
            token << owner_bits | number
            for number, member in enumerate(self.members)
            for token in node_tokens(member.id, member.weight)
        ]
        tokens.sort()
        mask = (1 << owner_bits) - 1
        self._points = [token >> owner_bits for token in tokens]
        self._owners = [token & mask for token in tokens]

    def walk(self, point: int) -> Walk:
        """Return the walk from a point: each member once, clockwise."""
        assert 0 <= point < RING_SIZE
        return Walk(self._steps(point))

    def _steps(self, point: int) -> Iterator[tuple[int, int]]:
        points, owners = self._points, self._owners
        seen: set[int] = set()
        start = bisect_left(points, point)
        for circle, indices in ((0, range(start, len(points))), (RING_SIZE, range(start))):
            for index in indices:
                owner = owners[index]
                if owner not in seen:
                    seen.add(owner)
                    yield owner, points[index] + circle - point
                    if len(seen) == len(self.members):
                        return


NEAR = 64
"""So many members count as near in a walk. Replicas beyond are found by exchange."""


class Walk:
    """Members in the order in which a walk meets them; it goes only as far as asked."""

    __slots__ = ("_ahead", "_met")

    def __init__(self, ahead: Iterator[tuple[int, int]]) -> None:
        self._ahead = ahead
        self._met: list[tuple[int, int]] = []

    def at(self, place: int) -> tuple[int, int] | None:
        """Return (member's number, distance from the point); None past the last member."""
        met = self._met
        while place >= len(met):
            step = next(self._ahead, None)
            if step is None:
                return None
            met.append(step)
        return met[place]

    def near(self, place: int) -> tuple[int, int] | None:
        """As ``at``, but None past the first ``NEAR`` members, too: bounds time and memory."""
        if place < len(self._met):
            return self._met[place] if place < NEAR else None
        return self.at(place) if place < NEAR else None
