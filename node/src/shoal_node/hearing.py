"""What other nodes said of their copies of vacant partitions.

Asked before a take-over where more than one copy could take over, so that the one that
has most goes first; and before a partition is taken over without a copy in sync, so
that none is passed over that lives. Kept while the partition is vacant at one epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shoal_coordinator.registry.records import CopyId, Epoch, NodeId, PartitionId


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a copy is. (0, 0): it has nothing."""

    epoch: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class PeerCopy:
    """A copy as its node tells of it."""

    partition: PartitionId
    copy_id: CopyId
    position: Position
    is_whole: bool = True
    """Not on the way of a snapshot: it could serve."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A node's answer about one partition; ``copy`` is None where it has none."""

    at_ms: int
    has_answered: bool
    copy: PeerCopy | None


@dataclass(slots=True)
class Hearing:
    """All answers, by partition and node."""

    answers: dict[PartitionId, dict[NodeId, Answer]] = field(default_factory=dict)
    asked: set[tuple[PartitionId, NodeId]] = field(default_factory=set)
    """Questions on their way."""
    _epochs: dict[PartitionId, Epoch] = field(default_factory=dict)

    def keep_only(self, vacant: Mapping[PartitionId, Epoch]) -> None:
        """Forget what was said of partitions that are not vacant, or at another epoch."""
        for partition in [it for it in self.answers if self._epochs[it] != vacant.get(it)]:
            del self.answers[partition]
            del self._epochs[partition]

    def began_asking(self, node: NodeId, partitions: Iterable[PartitionId]) -> None:
        self.asked |= {(partition, node) for partition in partitions}

    def heard(
        self,
        node: NodeId,
        vacant: Mapping[PartitionId, Epoch],
        copies: Mapping[PartitionId, PeerCopy] | None,
        now_ms: int,
    ) -> None:
        """Take an answer about partitions that were vacant at these epochs.

        ``copies``: those that the node has; None: it did not answer.
        """
        for partition, epoch in vacant.items():
            self.asked.discard((partition, node))
            if self._epochs.setdefault(partition, epoch) != epoch:
                self._epochs[partition] = epoch
                self.answers.pop(partition, None)
            copy = None if copies is None else copies.get(partition)
            answers = self.answers.setdefault(partition, {})
            answers[node] = Answer(now_ms, copies is not None, copy)

    def answer(self, partition: PartitionId, node: NodeId) -> Answer | None:
        return self.answers.get(partition, {}).get(node)
