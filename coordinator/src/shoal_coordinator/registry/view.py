"""One immutable picture of a cluster, as the registry showed it at one revision.

Every decision in coordinator and agent is a pure function of such a view, of the
decider's own state, and of the time. Views are ordered by revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from types import MappingProxyType
from typing import Any

from shoal_coordinator.registry.port import LeaseId, Revision
from shoal_coordinator.registry.records import (
    ClusterConfig,
    CoordinatorLeader,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A registration that stands, and the revision at which it came to be."""

    registration: NodeRegistration
    create_revision: Revision
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class HeldPartition:
    """A partition's record and the revision that a swap of it must compare."""

    record: PartitionRecord
    mod_revision: Revision


@dataclass(frozen=True, slots=True)
class ElectedLeader:
    """The elected coordinator; ``create_revision`` guards what it writes."""

    leader: CoordinatorLeader
    create_revision: Revision


def _empty() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What stands in the registry at ``revision``."""

    cluster: str
    revision: Revision
    config: ClusterConfig | None = None
    leader: ElectedLeader | None = None
    nodes: Mapping[NodeId, LiveNode] = field(default_factory=_empty)
    members: Mapping[NodeId, Member] = field(default_factory=_empty)
    partitions: Mapping[PartitionId, HeldPartition] = field(default_factory=_empty)

    def has_weight(self, node: NodeId) -> bool:
        """Whether a live node may have copies, by its own flag or by what an operator set.

        One of the two is enough: who is to have nothing any more keeps what it has until
        others have it. False for a node that is down.
        """
        live, member = self.nodes.get(node), self.members.get(node)
        if live is None:
            return False
        is_set = member is not None and member.weight_is_set and member.weight > 0
        return live.registration.weight > 0 or is_set

    def waits_to_be_added(self, node: NodeId) -> bool:
        """Whether an operator has yet to let a live node in."""
        member = self.members.get(node)
        if member is None:
            return self.config is not None and not self.config.auto_join
        return member.state is MemberState.JOINING

    def may_be_given(self, node: NodeId) -> bool:
        """Whether a live node can be handed a partition: it does not stop, nor wait."""
        live = self.nodes.get(node)
        return (
            live is not None
            and not live.registration.leaving
            and self.has_weight(node)
            and not self.waits_to_be_added(node)
        )

    def primary_is_live(self, record: PartitionRecord) -> bool:
        """Whether the recorded primary's process, that very incarnation, is registered."""
        if record.primary is None:
            return False
        node = self.nodes.get(record.primary.node)
        return node is not None and node.registration.incarnation == record.primary_incarnation


def partitions_changed(
    known: Mapping[PartitionId, HeldPartition], newer: Mapping[PartitionId, HeldPartition]
) -> list[PartitionId]:
    """Those whose records are other ones in a later view's ``partitions``.

    Asked of every view, by everybody. Where no record has come or gone both have the same
    order, so that they are gone through side by side and none is looked up.
    """
    if newer is known:
        return []
    if len(newer) == len(known):
        differ = [*map(is_not, known.values(), newer.values())]
        before = [it.record.partition for it in compress(known.values(), differ)]
        after = [it.record.partition for it in compress(newer.values(), differ)]
        if before == after:
            return after
    other_ones = [it for it, held in newer.items() if known.get(it) is not held]
    return [*other_ones, *(known.keys() - newer.keys())]
