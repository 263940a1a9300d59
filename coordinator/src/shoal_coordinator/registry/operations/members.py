"""A node's place in the cluster: admitted by the elected coordinator, changed by operators.

Both write the same keys, so each write is a function of what stands, compares its revision,
and is made anew of what somebody else wrote meanwhile: no change is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.codec import RecordCorrupt, decode_member, encode_member
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.election import leadership_guard
from shoal_coordinator.registry.operations.outcome import Lost, Won
from shoal_coordinator.registry.operations.settle import Settled, Swap, read_key, settle
from shoal_coordinator.registry.port import ABSENT, Guard, ModifiedAt, Put, Revision, Store
from shoal_coordinator.registry.records import Member, NodeId
from shoal_coordinator.registry.view import ClusterView, ElectedLeader

R = TypeVar("R")


async def change_member(
    store: Store,
    keys: Keys,
    node: NodeId,
    change: Callable[[Member | None], Member | None],
    leadership: ElectedLeader,
) -> Won | Lost[Member]:
    """Write ``change`` of what stands while the leadership stands.

    ``None`` from ``change``, or what stands already, writes nothing, and counts as won.
    Lost only where the leadership is, or where what stands cannot be read.
    """
    key = keys.member(node)
    election = leadership_guard(keys, leadership)
    while True:
        standing = await read_key(store, key)
        stands_at = ABSENT if standing is None else standing.mod_revision
        try:
            member = None if standing is None else decode_member(key, standing.value)
        except RecordCorrupt:
            return Lost(None, (ModifiedAt(key, stands_at),))
        wanted = change(member)
        if wanted is None or wanted == member:
            return Won(stands_at)
        settled = await _swap(store, keys, wanted, stands_at, [election])
        if settled.won:
            return Won(settled.revision)
        if election in settled.failed:
            return Lost(member, settled.failed)


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A member as it shall be. ``counts_on``: members that must still be as they were seen."""

    member: Member
    counts_on: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberStands:
    """``changed``: by this very call. Otherwise it stood so already."""

    member: Member
    changed: bool


async def change_membership(
    store: Store, keys: Keys, decide: Callable[[ClusterView], MemberChange | R]
) -> MemberStands | R:
    """Write what ``decide`` makes of the cluster as it stands now, or return its refusal.

    Decided anew while the member, or one that was counted on, has changed meanwhile: of two
    changes at once that only one of can be had, the second is refused. Needs no leadership.
    """
    while True:
        reading = await store.read(keys.prefix)
        view = view_of(keys, reading).view
        decided = decide(view)
        if not isinstance(decided, MemberChange):
            return decided
        wanted = decided.member
        if view.members.get(wanted.id) == wanted:
            return MemberStands(wanted, changed=False)
        revisions = {item.key: item.mod_revision for item in reading.items}
        counted_on = [
            ModifiedAt(key, revisions.get(key, ABSENT))
            for key in map(keys.member, decided.counts_on)
        ]
        stands_at = revisions.get(keys.member(wanted.id), ABSENT)
        settled = await _swap(store, keys, wanted, stands_at, counted_on)
        if settled.won:
            return MemberStands(wanted, changed=True)


async def _swap(
    store: Store, keys: Keys, member: Member, expected: Revision, guards: Sequence[Guard]
) -> Settled:
    key = keys.member(member.id)
    swap = Swap(ModifiedAt(key, expected), Put(key, encode_member(member)))
    return await settle(store, [swap], guards)
