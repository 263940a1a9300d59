"""A node's place in the cluster, written by the elected coordinator."""

from __future__ import annotations

from shoal_coordinator.registry.codec import RecordCorrupt, decode_member, encode_member
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.election import leadership_guard
from shoal_coordinator.registry.operations.outcome import Lost, Won
from shoal_coordinator.registry.operations.settle import Swap, read_key, settle
from shoal_coordinator.registry.port import ABSENT, ModifiedAt, Put, Revision, Store
from shoal_coordinator.registry.records import Member
from shoal_coordinator.registry.view import ElectedLeader


async def put_member(
    store: Store,
    keys: Keys,
    member: Member,
    leadership: ElectedLeader,
    expected: Revision | None = None,
) -> Won | Lost[Member]:
    """Write a member while the leadership stands.

    ``expected`` is the mod_revision to compare, ``ABSENT`` to create. Left out,
    whatever stands now is replaced: it is read first, and one that is already as
    wanted is left alone. That is enough for the leader, who alone writes members.
    """
    key = keys.member(member.id)
    value = encode_member(member)
    if expected is None:
        standing = await read_key(store, key)
        if standing is not None and standing.value == value:
            return Won(standing.mod_revision)
        expected = ABSENT if standing is None else standing.mod_revision
    swap = Swap(ModifiedAt(key, expected), Put(key, value))
    settled = await settle(store, [swap], [leadership_guard(keys, leadership)])
    if settled.won:
        return Won(settled.revision)
    current = settled.item(key)
    try:
        return Lost(None if current is None else decode_member(key, current.value), settled.failed)
    except RecordCorrupt:
        return Lost(None, settled.failed)
