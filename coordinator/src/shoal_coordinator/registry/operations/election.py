"""The coordinators' election: one key, bound to the lease of the one elected.

A lease is not mutual exclusion. What makes a leader's writes exclusive is that
each compares the leader key's create_revision (``leadership_guard``).
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.registry.codec import RecordCorrupt, decode_leader, encode_leader
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.settle import Swap, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    CreatedAt,
    Delete,
    LeaseId,
    Put,
    Store,
)
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.registry.view import ElectedLeader


@dataclass(frozen=True, slots=True)
class Elected:
    """The candidate leads; ``leadership`` guards what it writes."""

    leadership: ElectedLeader


@dataclass(frozen=True, slots=True)
class NotElected:
    """Somebody else leads. ``None``: whoever it was cannot be read."""

    standing: ElectedLeader | None


def leadership_guard(keys: Keys, leadership: ElectedLeader) -> CreatedAt:
    """Holds while that very election stands."""
    return CreatedAt(keys.leader, leadership.create_revision)


async def campaign(
    store: Store, keys: Keys, leader: CoordinatorLeader, lease: LeaseId
) -> Elected | NotElected:
    """Become leader if nobody is. Raises LeaseLost when the lease is gone.

    A candidate who already leads under this lease is told so again.
    """
    put = Put(keys.leader, encode_leader(leader), lease)
    settled = await settle(store, [Swap(CreatedAt(keys.leader, ABSENT), put)])
    if settled.won:
        return Elected(ElectedLeader(leader, settled.revision))
    standing = settled.item(keys.leader)
    if standing is None:
        return NotElected(None)
    try:
        elected = ElectedLeader(
            decode_leader(keys.leader, standing.value), standing.create_revision
        )
    except RecordCorrupt:
        return NotElected(None)
    ours = standing.lease == lease and elected.leader == leader
    return Elected(elected) if ours else NotElected(elected)


async def resign(store: Store, keys: Keys, leadership: ElectedLeader) -> None:
    """Give up this election. If it is over already, nothing happens."""
    await settle(store, [Swap(leadership_guard(keys, leadership), Delete(keys.leader))])
