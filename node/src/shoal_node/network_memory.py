"""Where the data planes in memory of one test cluster reach each other.

Nothing moves by itself: ``step`` lets one follower's copy come a little further, and
what it has applied is acknowledged only at its next step. So a test decides how far
everybody is at every moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shoal_coordinator.registry.records import CopyId, PartitionId
from shoal_node.hearing import PeerCopy, Position
from shoal_node.peers import PeerSilent

if TYPE_CHECKING:
    from shoal_node.data_plane_memory import MemoryDataPlane

STEP_OPERATIONS = 4
"""A step carries no more than these."""
_STEPS_MAX = 10_000


class MemoryNetwork:
    """All data planes that were started and not stopped, by address."""

    def __init__(self) -> None:
        self.planes: dict[str, MemoryDataPlane] = {}
        self._numbers = itertools.count(1)

    def draw(self, copy_id: str) -> str:
        """A new id for a copy of the same run of a node."""
        mark, _, _ = copy_id.partition("-")
        return f"{mark}-anew{next(self._numbers)}"

    def follower_steps(self) -> list[tuple[str, int]]:
        """All (address, partition) that follow somebody: what ``step`` can be called with."""
        return [
            (address, partition)
            for address, plane in self.planes.items()
            for partition in plane.following()
        ]

    def step(self, address: str, partition: int, operations: int = STEP_OPERATIONS) -> bool:
        """Let one follower's copy come further; return whether anything moved."""
        sink = self.planes.get(address)
        target = None if sink is None else sink.source_of(partition)
        if sink is None or target is None:
            return False
        source = self.planes.get(target)
        if source is None:
            return False
        return source.feed(partition, sink, operations)

    def settle(self) -> None:
        """Let everybody come as far as they can."""
        for _ in range(_STEPS_MAX):
            moved = [self.step(*each) for each in self.follower_steps()]
            if not any(moved):
                return
        raise AssertionError("copies never come to rest")

    def drain(self, source: MemoryDataPlane, partition: int, copy_id: str) -> None:
        """Let one copy catch up with its primary, if it can."""
        for address, plane in self.planes.items():
            if plane.copy_id(partition) == copy_id and plane.source_of(partition):
                for _ in range(_STEPS_MAX):
                    if not self.step(address, partition) or source.has_all(partition, copy_id):
                        return


class MemoryPeers:
    """``Peers`` over the network in memory."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network

    async def copies(
        self, address: str, partitions: Sequence[PartitionId]
    ) -> dict[PartitionId, PeerCopy]:
        plane = self._network.planes.get(address)
        if plane is None:
            raise PeerSilent(f"{address} did not tell its positions")
        return {
            PartitionId(told.partition): PeerCopy(
                PartitionId(told.partition),
                CopyId(told.copy_id),
                Position(told.position_epoch, told.seq),
                is_whole=told.role != "restoring",
            )
            for told in plane.replication()
            if told.partition in partitions
        }

    async def close(self) -> None:
        """Nothing is held."""
