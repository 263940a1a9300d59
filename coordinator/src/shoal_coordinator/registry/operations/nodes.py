"""A node's registration: a key bound to its lease, one incarnation at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shoal_coordinator.registry.codec import RecordCorrupt, decode_registration, encode_registration
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.settle import Settled, Swap, read_key, settle
from shoal_coordinator.registry.port import (
    ABSENT,
    CreatedAt,
    Delete,
    Item,
    LeaseId,
    ModifiedAt,
    Put,
    Revision,
    Store,
)
from shoal_coordinator.registry.records import NodeId, NodeRegistration
from shoal_coordinator.registry.view import LiveNode


@dataclass(frozen=True, slots=True)
class Registered:
    """The registration stands. ``create_revision`` names this very incarnation's key."""

    create_revision: Revision


@dataclass(frozen=True, slots=True)
class NameTaken:
    """Another process is registered under this name.

    ``standing`` is ``None`` when it went away meanwhile or cannot be read.
    """

    standing: LiveNode | None


async def register_node(
    store: Store,
    keys: Keys,
    registration: NodeRegistration,
    lease: LeaseId,
    predecessor: LiveNode | None = None,
) -> Registered | NameTaken:
    """Register a node under its lease, after removing ``predecessor``'s key if it stands.

    Two commits: a key that is merely overwritten keeps its create_revision, and
    would pass for the predecessor. Raises LeaseLost when the lease is gone.
    """
    key = keys.node(registration.id)
    if predecessor is not None:
        gone = await settle(store, [Swap(CreatedAt(key, predecessor.create_revision), Delete(key))])
        if not gone.won and gone.item(key) is not None:
            return _name_taken(key, gone)
    put = Put(key, encode_registration(registration), lease)
    settled = await settle(store, [Swap(CreatedAt(key, ABSENT), put)])
    if settled.won:
        return Registered(settled.revision)
    return _name_taken(key, settled)


async def announce_leaving(store: Store, keys: Keys, me: LiveNode) -> None:
    """Mark this very registration as leaving; it stays bound to its lease.

    If it is gone, or another's stands, nothing happens. Raises LeaseLost when the
    lease ended meanwhile.
    """
    key = keys.node(me.registration.id)
    standing = await read_key(store, key)
    if standing is None or standing.create_revision != me.create_revision:
        return
    leaving = encode_registration(replace(me.registration, leaving=True))
    await settle(store, [Swap(ModifiedAt(key, standing.mod_revision), Put(key, leaving, me.lease))])


async def remove_registration(
    store: Store, keys: Keys, node: NodeId, create_revision: Revision
) -> None:
    """Remove this incarnation's key. If it is gone, or another's stands, nothing happens."""
    key = keys.node(node)
    await settle(store, [Swap(CreatedAt(key, create_revision), Delete(key))])


def _name_taken(key: str, settled: Settled) -> NameTaken:
    standing = settled.item(key)
    return NameTaken(None if standing is None else _live_node(key, standing))


def _live_node(key: str, item: Item) -> LiveNode | None:
    try:
        return LiveNode(decode_registration(key, item.value), item.create_revision, item.lease)
    except RecordCorrupt:
        return None
