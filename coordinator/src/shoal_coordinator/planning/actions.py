"""What the leader may do. Each action renders the sentence that is logged and asserted.

Action
├── AdmitMember        a registered node becomes a member
├── RefreshMember      a member follows its registration, or is let in
├── PlanPartition      the first record of a partition
├── UpdatePreference   the ring's order for a partition has changed
├── ClearHandoff       a handoff that cannot or shall not come about
└── MarkHandoff        the primary shall hand its partition to the wanted one
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from shoal_coordinator.registry.port import ABSENT, Revision
from shoal_coordinator.registry.records import (
    Member,
    MemberState,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import HeldPartition


@dataclass(frozen=True, slots=True)
class AdmitMember:
    member: Member

    def of(self, stands: Member | None) -> Member | None:
        """What shall stand in place of what does. An operator may have been faster."""
        return self.member if stands is None else None

    def __str__(self) -> str:
        does = "waits to be added" if self.member.state is MemberState.JOINING else "joins"
        return f"node {self.member.id} {does} with {_described(self.member)}"


@dataclass(frozen=True, slots=True)
class RefreshMember:
    """``member`` is as it shall be, ``before`` as it was when that was decided."""

    member: Member
    before: Member

    def of(self, stands: Member | None) -> Member | None:
        """What shall stand in place of what does: nothing else, if that has changed."""
        return self.member if stands == self.before else None

    def __str__(self) -> str:
        if self.member.state is not self.before.state:
            return f"node {self.member.id} is let in with {_described(self.member)}"
        return f"node {self.member.id} now has {_described(self.member)}, as it registered"


@dataclass(frozen=True, slots=True)
class PlanPartition:
    record: PartitionRecord

    @property
    def expected(self) -> Revision:
        return ABSENT

    def __str__(self) -> str:
        return f"partition {self.record.partition} is planned on {_listed(self.record.preference)}"


@dataclass(frozen=True, slots=True)
class UpdatePreference:
    """A handoff that the new order does not want ends with it."""

    held: HeldPartition
    preference: tuple[NodeId, ...]
    replicas: tuple[NodeId, ...]
    hands_over: bool = False
    """Whether it shall be handed to the first of the new order once that one has a copy."""

    @property
    def record(self) -> PartitionRecord:
        old = self.held.record
        wanted = self.hands_over or old.handoff_to == self.preference[0]
        return replace(
            old,
            preference=self.preference,
            replicas=self.replicas,
            handoff_to=self.preference[0] if wanted else None,
        )

    @property
    def expected(self) -> Revision:
        return self.held.mod_revision

    def __str__(self) -> str:
        old, new = self.held.record, self.record
        changed = ""
        if old.handoff_to not in {None, new.handoff_to}:
            changed += f"; its handoff to {old.handoff_to} ends"
        if self.hands_over:
            changed += f", and shall move to {new.handoff_to}"
        return f"partition {old.partition} is now wanted on {_listed(self.preference)}{changed}"


@dataclass(frozen=True, slots=True)
class MarkHandoff:
    held: HeldPartition
    target: NodeId

    @property
    def record(self) -> PartitionRecord:
        return replace(self.held.record, handoff_to=self.target)

    @property
    def expected(self) -> Revision:
        return self.held.mod_revision

    def __str__(self) -> str:
        primary = self.held.record.primary
        source = "nobody" if primary is None else primary.node
        return f"partition {self.held.record.partition} shall move from {source} to {self.target}"


@dataclass(frozen=True, slots=True)
class ClearHandoff:
    held: HeldPartition
    why: str

    @property
    def record(self) -> PartitionRecord:
        return replace(self.held.record, handoff_to=None)

    @property
    def expected(self) -> Revision:
        return self.held.mod_revision

    def __str__(self) -> str:
        record = self.held.record
        return f"partition {record.partition} is not handed to {record.handoff_to}: {self.why}"


MemberAction: TypeAlias = AdmitMember | RefreshMember
PartitionAction: TypeAlias = PlanPartition | UpdatePreference | MarkHandoff | ClearHandoff
Action: TypeAlias = MemberAction | PartitionAction


def partition_of(action: PartitionAction) -> PartitionId:
    return action.record.partition


def _described(member: Member) -> str:
    zone = f"in zone {member.zone}" if member.zone else "in no zone"
    return f"weight {member.weight} {zone}"


def _listed(nodes: Sequence[NodeId]) -> str:
    return ", then ".join(nodes) if nodes else "no node"
