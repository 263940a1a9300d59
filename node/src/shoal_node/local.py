"""What a node knows of itself and of time: the second argument of every decision.

Owned by the agent and changed by the verbs below only; decisions read it. Nothing
here does I/O or reads a clock.

Invariants:
- ``serving`` says, for each partition that is open in the data plane, its epoch;
  ``frozen`` is part of it.
- A partition is never opened twice at one epoch: a copy lives as long as its
  epoch. ``spent`` remembers the highest epoch at which each was opened.
- ``written`` holds records that this node learnt from its own commits and that no
  view has caught up with. The newer of the two, by mod_revision, is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shoal_coordinator.registry.port import ABSENT, Revision
from shoal_coordinator.registry.records import Epoch, Eviction, Incarnation, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode
from shoal_node.absence import Absence


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A partition without a live primary.

    ``since_ms`` is when this node first saw it so; while take-overs from its old
    primary are held back (``absence``), it is now.
    """

    epoch: Epoch
    since_ms: int
    held_until_ms: int | None


@dataclass(slots=True)
class Local:
    """State of one run of a node's process."""

    node: NodeId
    incarnation: Incarnation
    registration: LiveNode | None = None
    """As this node wrote it; None from the loss of a lease to the next registration."""
    fence_lifted: bool = False
    """Whether the data plane is given the deadlines of the lease under ``registration``."""
    stopping: bool = False
    eviction: Eviction = Eviction.S3FIFO
    """What the data plane evicts by."""
    installed: Revision = ABSENT
    """The revision of the topology that the data plane has."""
    serving: dict[PartitionId, Epoch] = field(default_factory=dict)
    frozen: set[PartitionId] = field(default_factory=set)
    spent: dict[PartitionId, Epoch] = field(default_factory=dict)
    taking: set[PartitionId] = field(default_factory=set)
    handing: set[PartitionId] = field(default_factory=set)
    written: dict[PartitionId, HeldPartition] = field(default_factory=dict)
    retry_at_ms: dict[PartitionId, int] = field(default_factory=dict)
    vacancies: dict[PartitionId, Vacancy] = field(default_factory=dict)
    absence: Absence = field(default_factory=Absence)

    # What a view says.

    def saw(self, view: ClusterView, now_ms: int, hold_ms: int) -> None:
        """Take note of the view, at every turn: what it shows as vacant, and since when.

        ``hold_ms``: for how long a mass loss holds take-overs back.
        """
        self.absence.saw(view, now_ms, hold_ms)
        self.written = {
            partition: held
            for partition, held in self.written.items()
            if view.revision < held.mod_revision
        }
        vacancies: dict[PartitionId, Vacancy] = {}
        for partition, held in view.partitions.items():
            if view.primary_is_live(held.record):
                continue
            vacancies[partition] = self._vacancy(held, now_ms)
        self.vacancies = vacancies

    def _vacancy(self, held: HeldPartition, now_ms: int) -> Vacancy:
        record = held.record
        held_until_ms = (
            None if record.primary is None else self.absence.held_until_ms.get(record.primary.node)
        )
        known = self.vacancies.get(record.partition)
        if known is None or known.epoch != record.epoch or held_until_ms is not None:
            return Vacancy(record.epoch, now_ms, held_until_ms)
        return Vacancy(record.epoch, known.since_ms, None)

    def latest(self, view: ClusterView, partition: PartitionId) -> HeldPartition | None:
        """The newest record known of a partition."""
        seen = view.partitions.get(partition)
        written = self.written.get(partition)
        if seen is None or (written is not None and written.mod_revision > seen.mod_revision):
            return written
        return seen

    def owns(self, held: HeldPartition) -> bool:
        """Whether a record gives its partition to this very incarnation."""
        record = held.record
        return (
            record.primary is not None
            and record.primary.node == self.node
            and record.primary_incarnation == self.incarnation
        )

    # What this node does.

    def registered(self, registration: LiveNode) -> None:
        self.registration = registration
        self.fence_lifted = False

    def lost_registration(self) -> None:
        self.registration = None
        self.fence_lifted = False

    def opened(self, partition: PartitionId, epoch: Epoch) -> None:
        assert partition not in self.serving
        assert epoch > self.spent.get(partition, 0), "an epoch is opened once"
        self.serving[partition] = epoch
        self.spent[partition] = epoch

    def froze(self, partition: PartitionId) -> None:
        assert partition in self.serving
        self.frozen.add(partition)

    def thawed(self, partition: PartitionId) -> None:
        self.frozen.remove(partition)

    def closed(self, partition: PartitionId) -> None:
        del self.serving[partition]
        self.frozen.discard(partition)

    def wrote(self, held: HeldPartition) -> None:
        """Take note of a record that a commit of this node wrote or found."""
        known = self.written.get(held.record.partition)
        if known is None or known.mod_revision < held.mod_revision:
            self.written[held.record.partition] = held

    def began_taking(self, partition: PartitionId) -> None:
        assert partition not in self.taking
        self.taking.add(partition)

    def ended_taking(self, partition: PartitionId, retry_at_ms: int | None) -> None:
        self.taking.remove(partition)
        self._retry(partition, retry_at_ms)

    def began_handing(self, partition: PartitionId) -> None:
        assert partition not in self.handing
        self.handing.add(partition)

    def ended_handing(self, partition: PartitionId, retry_at_ms: int | None) -> None:
        self.handing.remove(partition)
        self._retry(partition, retry_at_ms)

    def _retry(self, partition: PartitionId, at_ms: int | None) -> None:
        if at_ms is None:
            self.retry_at_ms.pop(partition, None)
        else:
            self.retry_at_ms[partition] = at_ms
