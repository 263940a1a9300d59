"""``view`` + events -> the next view, as a pure function.

Invariant: however the same events are split into batches, the same view results.

A value that cannot be read (``RecordCorrupt``: a hand's edit, or a newer
release's enum value) leaves the previous record in the view, with its previous
revisions, and is returned to the caller for its log. That is safe because every
write compares those revisions: a decision made from the old record loses. Keys of
kinds that this release does not know are passed over.

Copy-on-write: a mapping is copied once a batch, and only if something in it changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from shoal_coordinator.registry.codec import (
    RecordCorrupt,
    decode_config,
    decode_leader,
    decode_member,
    decode_partition,
    decode_registration,
)
from shoal_coordinator.registry.keys import Keys, prefix_of
from shoal_coordinator.registry.port import Changed, Event, Events, Item, Reading, Removed
from shoal_coordinator.registry.records import Member, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView, ElectedLeader, HeldPartition, LiveNode

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Applied:
    """The view after a batch of events, and the values in it that could not be read."""

    view: ClusterView
    corrupt: tuple[RecordCorrupt, ...] = ()


def apply(view: ClusterView, events: Events) -> Applied:
    """The view after ``events``. Its revision never falls."""
    draft = _Draft(view)
    corrupt: list[RecordCorrupt] = []
    for event in events.events:
        try:
            draft.take(event)
        except RecordCorrupt as error:
            corrupt.append(error)
    return Applied(draft.frozen_at(events), tuple(corrupt))


def view_of(keys: Keys, reading: Reading, previous: ClusterView | None = None) -> Applied:
    """The view that a reading of the whole prefix gives; what it lacks is gone.

    ``previous`` serves only to keep records whose new value cannot be read.
    """
    start = previous or ClusterView(cluster=keys.cluster, revision=reading.revision)
    standing = {item.key for item in reading.items}
    gone: list[Event] = [
        Removed(key, reading.revision) for key in _keys_of(keys, start) if key not in standing
    ]
    return apply(start, Events(reading.revision, (*gone, *map(Changed, reading.items))))


def _keys_of(keys: Keys, view: ClusterView) -> Iterator[str]:
    if view.config is not None:
        yield keys.config
    if view.leader is not None:
        yield keys.leader
    yield from (keys.node(node) for node in view.nodes)
    yield from (keys.member(node) for node in view.members)
    yield from (keys.partition(partition) for partition in view.partitions)


class _Table(Generic[K, V]):
    """One mapping of the view, copied when it is first written."""

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base = base
        self._copy: dict[K, V] | None = None

    def put(self, key: K, value: V) -> None:
        self._copied()[key] = value

    def drop(self, key: K) -> None:
        self._copied().pop(key, None)

    def _copied(self) -> dict[K, V]:
        if self._copy is None:
            base = self._base
            # ``dict`` looks each key of a proxy up; what lies behind it is copied as it lies.
            self._copy = base.copy() if isinstance(base, MappingProxyType) else dict(base)
        return self._copy

    def frozen(self) -> Mapping[K, V]:
        return self._base if self._copy is None else MappingProxyType(self._copy)


class _Draft:
    """A view being changed; lives within one call of ``apply``."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._prefix = prefix_of(view.cluster)
        self._config = view.config
        self._leader = view.leader
        self._nodes = _Table(view.nodes)
        self._members = _Table(view.members)
        self._partitions = _Table(view.partitions)

    def take(self, event: Event) -> None:
        """Apply one event. Raises RecordCorrupt, and then has changed nothing."""
        key = event.key if isinstance(event, Removed) else event.item.key
        item = event.item if isinstance(event, Changed) else None
        kind, _, name = key.removeprefix(self._prefix).partition("/")
        match kind:
            case "config" if not name:
                self._config = None if item is None else decode_config(key, item.value)
            case "leader" if not name:
                self._leader = None if item is None else _elected(item)
            case "nodes":
                self._take_node(NodeId(name), item)
            case "members":
                self._take_member(NodeId(name), item)
            case "partitions":
                self._take_partition(key, name, item)
            case _:
                pass

    def _take_node(self, node: NodeId, item: Item | None) -> None:
        if item is None:
            self._nodes.drop(node)
            return
        registration = decode_registration(item.key, item.value)
        _check_names(item.key, node, registration.id)
        self._nodes.put(node, LiveNode(registration, item.create_revision, item.lease))

    def _take_member(self, node: NodeId, item: Item | None) -> None:
        if item is None:
            self._members.drop(node)
            return
        member: Member = decode_member(item.key, item.value)
        _check_names(item.key, node, member.id)
        self._members.put(node, member)

    def _take_partition(self, key: str, name: str, item: Item | None) -> None:
        if not (name.isascii() and name.isdigit()):
            raise RecordCorrupt(key, "the key does not end in a partition's number")
        partition = PartitionId(int(name))
        if item is None:
            self._partitions.drop(partition)
            return
        record = decode_partition(key, item.value)
        _check_names(key, name, f"{record.partition:05d}")
        self._partitions.put(partition, HeldPartition(record, item.mod_revision))

    def frozen_at(self, events: Events) -> ClusterView:
        return ClusterView(
            cluster=self._view.cluster,
            revision=max(self._view.revision, events.revision),
            config=self._config,
            leader=self._leader,
            nodes=self._nodes.frozen(),
            members=self._members.frozen(),
            partitions=self._partitions.frozen(),
        )


def _elected(item: Item) -> ElectedLeader:
    return ElectedLeader(decode_leader(item.key, item.value), item.create_revision)


def _check_names(key: str, in_key: str, in_value: str) -> None:
    if in_key != in_value:
        raise RecordCorrupt(key, f"it names {in_value!r}, which is not what its key names")
