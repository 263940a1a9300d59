"""What a node knows of itself and of time: the second argument of every decision.

Owned by the agent and changed by the verbs below only; decisions read it. Nothing
here does I/O or reads a clock.

Invariants:
- ``serving`` and ``following`` say what is open in the data plane, and no partition is
  in both; ``copies`` has the copy id of each of them. ``frozen`` is part of ``serving``.
- A partition is never served twice at one epoch. ``spent`` remembers the highest epoch
  at which each was.
- A copy that is opened empty has an id that was drawn for it and never used: ``drawn``.
- ``written`` holds records that this node learnt from its own commits and that no
  view has caught up with. The newer of the two, by mod_revision, is the truth.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from shoal_coordinator.registry.port import ABSENT, Revision
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Eviction,
    Incarnation,
    NodeId,
    PartitionId,
)
from shoal_coordinator.registry.view import (
    ClusterView,
    HeldPartition,
    LiveNode,
    partitions_changed,
)
from shoal_node.absence import Absence
from shoal_node.contact import Contact
from shoal_node.hearing import Hearing
from shoal_node.replication_status import Follower, PartitionReplication


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A partition without a live primary.

    ``since_ms`` is when this node first saw it so; while take-overs from its old
    primary are held back (``absence``), it is now.
    """

    epoch: Epoch
    since_ms: int
    held_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Following:
    """Whom a copy follows. No ``address``: nobody now."""

    primary: NodeId
    address: str
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Required:
    """What the data plane was last told to wait for."""

    copies: tuple[Copy, ...]
    in_sync_count: int


@dataclass(frozen=True, slots=True)
class Joining:
    """A copy that is required already, and joins the record once it has ``head_seq``."""

    copy: Copy
    head_seq: int
    since_ms: int


@dataclass(slots=True)
class Local:
    """State of one run of a node's process."""

    node: NodeId
    incarnation: Incarnation
    registration: LiveNode | None = None
    """As this node wrote it; None from the loss of a lease to the next registration."""
    has_lost_registration: bool = False
    fence_lifted: bool = False
    """Whether the data plane is given the deadlines of the lease under ``registration``."""
    stopping: bool = False
    eviction: Eviction = Eviction.S3FIFO
    """What the data plane evicts by."""
    min_in_sync: int = 1
    """What the data plane was told."""
    snapshot_bytes_per_second: int = 0
    """What the data plane was told; 0: no bound."""
    installed: Revision = ABSENT
    """The revision of the topology that the data plane has."""
    serving: dict[PartitionId, Epoch] = field(default_factory=dict)
    following: dict[PartitionId, Following] = field(default_factory=dict)
    copies: dict[PartitionId, CopyId] = field(default_factory=dict)
    observed: dict[PartitionId, PartitionReplication] = field(default_factory=dict)
    """What the data plane last told of its copies."""
    frozen: set[PartitionId] = field(default_factory=set)
    spent: dict[PartitionId, Epoch] = field(default_factory=dict)
    drawn: dict[PartitionId, set[CopyId]] = field(default_factory=dict)
    required: dict[PartitionId, Required] = field(default_factory=dict)
    joining: dict[PartitionId, Joining] = field(default_factory=dict)
    join_failed_ms: dict[PartitionId, int] = field(default_factory=dict)
    """When a copy was last waited for in vain."""
    served_since_ms: dict[PartitionId, int] = field(default_factory=dict)
    taking: set[PartitionId] = field(default_factory=set)
    handing: set[PartitionId] = field(default_factory=set)
    changing: set[PartitionId] = field(default_factory=set)
    written: dict[PartitionId, HeldPartition] = field(default_factory=dict)
    retry_at_ms: dict[PartitionId, int] = field(default_factory=dict)
    vacancies: dict[PartitionId, Vacancy] = field(default_factory=dict)
    contact: Contact = field(default_factory=Contact)
    regained_ms: int | None = None
    """When this process was registered again, after it had lost a registration."""
    absence: Absence = field(default_factory=Absence)
    handing_on: frozenset[NodeId] = frozenset()
    """Nodes that stop, and still serve something, in the newest view."""
    hearing: Hearing = field(default_factory=Hearing)
    changed: set[PartitionId] = field(default_factory=set)
    """Of which something here, or the record, is another since the last turn (``attention``)."""
    _seen: ClusterView | None = None
    _vacant: dict[PartitionId, HeldPartition] = field(default_factory=dict)
    """Without a primary that lives, in the newest view."""

    # What a view says.

    def saw(self, view: ClusterView, now_ms: int, hold_ms: int) -> None:
        """Take note of the view, at every turn: what it shows as vacant, and since when.

        ``hold_ms``: for how long a mass loss holds take-overs back.
        """
        self.absence.saw(view, now_ms, hold_ms, self.contact.since_ms)
        if self.written:
            self.written = {
                partition: held
                for partition, held in self.written.items()
                if view.revision < held.mod_revision
            }
        if view is not self._seen:
            self._look_for_vacant(view)
            self._look_who_hands_on(view)
        if self._vacant or self.vacancies:
            self.vacancies = {
                partition: self._vacancy(held, now_ms) for partition, held in self._vacant.items()
            }
        if self.hearing.answers:
            vacant = {partition: it.epoch for partition, it in self.vacancies.items()}
            self.hearing.keep_only(vacant)

    def _look_for_vacant(self, view: ClusterView) -> None:
        seen, self._seen = self._seen, view
        if seen is None or seen.nodes is not view.nodes:
            self.changed.update(view.partitions)
            self._vacant = {
                partition: held
                for partition, held in view.partitions.items()
                if not view.primary_is_live(held.record)
            }
            return
        other_ones = partitions_changed(seen.partitions, view.partitions)
        self.changed.update(other_ones)
        for partition in other_ones:
            held = view.partitions.get(partition)
            if held is None or view.primary_is_live(held.record):
                self._vacant.pop(partition, None)
            else:
                self._vacant[partition] = held

    def _look_who_hands_on(self, view: ClusterView) -> None:
        stop = {node for node, live in view.nodes.items() if live.registration.leaving}
        serve: set[NodeId] = set()
        for held in view.partitions.values() if stop else ():
            primary = held.record.primary
            if primary is not None and primary.node in stop and view.primary_is_live(held.record):
                serve.add(primary.node)
        if serve != self.handing_on:
            self.handing_on = frozenset(serve)

    def _vacancy(self, held: HeldPartition, now_ms: int) -> Vacancy:
        record = held.record
        held_until_ms = (
            None if record.primary is None else self.absence.held_until_ms.get(record.primary.node)
        )
        known = self.vacancies.get(record.partition)
        if known is None or known.epoch != record.epoch or held_until_ms is not None:
            return Vacancy(record.epoch, now_ms, held_until_ms)
        return known if known.held_until_ms is None else Vacancy(record.epoch, known.since_ms, None)

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

    def served(
        self, only: Collection[PartitionId] | None = None
    ) -> list[tuple[PartitionId, Epoch]]:
        """What is served, in order. ``only``: of these partitions."""
        if only is None:
            return sorted(self.serving.items())
        if not self.serving:
            return []
        return [(it, self.serving[it]) for it in sorted(only) if it in self.serving]

    def is_busy(self, partition: PartitionId) -> bool:
        """Whether a write of its record is on its way, or may be."""
        return (
            partition in self.handing
            or partition in self.changing
            or partition in self.taking
            or partition in self.frozen
        )

    def own_copy(self, partition: PartitionId) -> Copy | None:
        """This node's copy of a partition, if it has one."""
        copy_id = self.copies.get(partition)
        return None if copy_id is None else Copy(self.node, copy_id)

    def follower(self, partition: PartitionId, copy: Copy) -> Follower | None:
        """Another node's copy, as the data plane last told of it."""
        told = self.observed.get(partition)
        if told is None or told.role != "primary":
            return None
        for it in told.followers:
            if it.copy_id == copy.copy_id and it.node == copy.node:
                return it
        return None

    # What the data plane tells.

    def observe(
        self,
        told: Sequence[PartitionReplication],
        asked: Collection[PartitionId] | None = None,
    ) -> None:
        """Take what the data plane told of its copies, or of those ``asked`` for."""
        if asked is None:
            self.observed.clear()
        else:
            for partition in asked:
                self.observed.pop(partition, None)
        for it in told:
            self.observed[it.partition] = it
            if it.partition in self.copies:
                self.copies[it.partition] = it.copy_id

    # What this node does.

    def registered(self, registration: LiveNode, now_ms: int = 0) -> None:
        self.contact.began(now_ms)
        if self.has_lost_registration:
            self.regained_ms = now_ms
        self.registration = registration
        self.fence_lifted = False

    def is_registered_as(self, own: LiveNode) -> bool:
        """Whether this very registration still holds, leaving or not."""
        mine = self.registration
        return mine is not None and mine.create_revision == own.create_revision

    def lost_registration(self) -> None:
        self.has_lost_registration = True
        self.registration = None
        self.fence_lifted = False

    def drew(self, partition: PartitionId, copy_id: CopyId) -> None:
        """An id for a copy that shall be opened empty if a record comes to name it."""
        self.changed.add(partition)
        self.drawn.setdefault(partition, set()).add(copy_id)

    def opened(
        self, partition: PartitionId, epoch: Epoch, copy_id: CopyId, now_ms: int = 0
    ) -> None:
        assert partition not in self.serving
        assert partition not in self.following
        self.drawn.pop(partition, None)
        self.copies[partition] = copy_id
        self._serve(partition, epoch, now_ms)

    def promoted(self, partition: PartitionId, epoch: Epoch, now_ms: int = 0) -> None:
        del self.following[partition]
        self.drawn.pop(partition, None)
        self._serve(partition, epoch, now_ms)

    def _serve(self, partition: PartitionId, epoch: Epoch, now_ms: int) -> None:
        assert epoch > self.spent.get(partition, 0), "an epoch is served once"
        self.changed.add(partition)
        self.serving[partition] = epoch
        self.spent[partition] = epoch
        self.served_since_ms[partition] = now_ms
        self.observed.pop(partition, None)

    def followed(self, partition: PartitionId, following: Following, copy_id: CopyId) -> None:
        """``copy_id`` counts where there was no copy."""
        self.changed.add(partition)
        self.copies.setdefault(partition, copy_id)
        self._ended_serving(partition)
        self.following[partition] = following

    def closed(self, partition: PartitionId) -> None:
        self.changed.add(partition)
        self._ended_serving(partition)
        self.following.pop(partition, None)
        self.copies.pop(partition, None)
        self.observed.pop(partition, None)

    def _ended_serving(self, partition: PartitionId) -> None:
        if self.serving.pop(partition, None) is not None:
            self.observed.pop(partition, None)
        self.served_since_ms.pop(partition, None)
        self.frozen.discard(partition)
        self.required.pop(partition, None)
        self.joining.pop(partition, None)
        self.join_failed_ms.pop(partition, None)

    def lost_copy(self, partition: PartitionId, epoch: Epoch) -> None:
        """A record gave it to a copy that is not there any more: it is not served."""
        self.spent[partition] = max(epoch, self.spent.get(partition, epoch))
        self.closed(partition)

    def requires(
        self,
        partition: PartitionId,
        required: Required,
        joining: Joining | None = None,
        now_ms: int = 0,
    ) -> None:
        """With nobody joining where somebody was: that one is waited for no more."""
        assert partition in self.serving
        self.changed.add(partition)
        self.required[partition] = required
        if joining is None:
            if self.joining.pop(partition, None) is not None:
                self.join_failed_ms[partition] = now_ms
        else:
            self.joining[partition] = joining

    def froze(self, partition: PartitionId) -> None:
        assert partition in self.serving
        self.changed.add(partition)
        self.frozen.add(partition)

    def thawed(self, partition: PartitionId) -> None:
        self.changed.add(partition)
        self.frozen.remove(partition)

    def wrote(self, held: HeldPartition) -> None:
        """Take note of a record that a commit of this node wrote or found."""
        known = self.written.get(held.record.partition)
        if known is None or known.mod_revision < held.mod_revision:
            self.changed.add(held.record.partition)
            self.written[held.record.partition] = held

    def began_taking(self, partition: PartitionId) -> None:
        assert partition not in self.taking
        self.changed.add(partition)
        self.taking.add(partition)

    def ended_taking(self, partition: PartitionId, retry_at_ms: int | None) -> None:
        self.taking.remove(partition)
        self._retry(partition, retry_at_ms)

    def began_handing(self, partition: PartitionId) -> None:
        assert partition not in self.handing
        self.changed.add(partition)
        self.handing.add(partition)

    def ended_handing(self, partition: PartitionId, retry_at_ms: int | None) -> None:
        self.handing.remove(partition)
        self._retry(partition, retry_at_ms)

    def began_changing(self, partition: PartitionId) -> None:
        assert partition not in self.changing
        self.changed.add(partition)
        self.changing.add(partition)

    def ended_changing(self, partition: PartitionId, retry_at_ms: int | None) -> None:
        self.changing.remove(partition)
        # What the record says now is what is required next.
        self.joining.pop(partition, None)
        self._retry(partition, retry_at_ms)

    def _retry(self, partition: PartitionId, at_ms: int | None) -> None:
        self.changed.add(partition)
        if at_ms is None:
            self.retry_at_ms.pop(partition, None)
        else:
            self.retry_at_ms[partition] = at_ms
