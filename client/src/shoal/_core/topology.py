"""Who owns what, as the client knows it: an immutable map and how two statements merge.

Invariants:
  - ``revision`` never falls: an older update changes nothing.
  - a partition's ``epoch`` never falls: of two statements the one with the higher epoch
    is right, of equal epochs the one of the newer revision.
  - a ``MOVED`` answer may run ahead of the updates; it changes one partition, and only
    with a higher epoch. It does not change ``revision``.

Non-goals: fetching it (``watching.py``) and deciding what to do without an owner
(``routing.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from shoal._core.slots import partition_of, slot_of
from shoal._values import Key
from shoal.v1 import topology_pb2


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive."""

    id: str
    address: str
    zone: str = ""
    weight: int = 0
    incarnation: str = ""


@dataclass(frozen=True, slots=True)
class Partition:
    """A contiguous range of slots and who owns it."""

    id: int
    epoch: int = 0
    primary: str = ""
    """Node id. Empty: nobody serves it now."""
    replicas: tuple[str, ...] = ()
    in_sync: tuple[str, ...] = ()
    moved_to: str = ""
    """Address that a MOVED answer told, until an update tells of this epoch."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a MOVED answer says."""

    partition: int
    epoch: int
    owner: str
    address: str


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster at one revision. Empty (``revision == 0``) until one was learnt."""

    cluster: str = ""
    revision: int = 0
    partition_count: int = 0
    nodes: Mapping[str, Node] = field(default_factory=lambda: MappingProxyType({}))
    partitions: tuple[Partition, ...] = ()
    addresses: tuple[str, ...] = ()
    """Of each partition's primary; empty where nobody is known to serve it."""

    def partition_of(self, key: Key) -> Partition:
        """Return the partition that holds a key. The map must not be empty."""
        wire_key = key.encode() if isinstance(key, str) else key
        return self.partitions[partition_of(slot_of(wire_key), self.partition_count)]

    def owner_address(self, wire_key: bytes) -> str:
        """Return the address of a key's primary, or "" where it is not known."""
        if not self.partition_count:
            return ""
        return self.addresses[slot_of(wire_key) * self.partition_count >> 14]

    def reader_addresses(self, wire_key: bytes) -> list[str]:
        """Return whom to ask where any copy may answer: the primary first if there is one.

        Then the live nodes that are in sync. Empty where nobody is known.
        """
        if not self.partition_count:
            return []
        index = slot_of(wire_key) * self.partition_count >> 14
        addresses = [self.addresses[index]] if self.addresses[index] else []
        for node in self._in_sync(index):
            if node.address not in addresses:
                addresses.append(node.address)
        return addresses

    def reader_addresses_in(self, zone: str, wire_key: bytes) -> list[str]:
        """Return those of ``reader_addresses`` that are in a zone; the primary has no priority."""
        if not self.partition_count:
            return []
        index = slot_of(wire_key) * self.partition_count >> 14
        return [node.address for node in self._in_sync(index) if node.zone == zone]

    def _in_sync(self, index: int) -> Iterator[Node]:
        for node_id in self.partitions[index].in_sync:
            node = self.nodes.get(node_id)
            if node is not None:
                yield node

    def merged(self, update: topology_pb2.Topology) -> Topology:
        """Return this map with an update applied; itself where it says nothing new."""
        if not self._accepts(update):
            return self
        nodes = {} if update.complete else dict(self.nodes)
        for gone in update.removed_nodes:
            nodes.pop(gone, None)
        for node in update.nodes:
            nodes[node.id] = Node(node.id, node.address, node.zone, node.weight, node.incarnation)
        count = update.partition_count or self.partition_count
        partitions = (
            list(self.partitions)
            if self.partitions
            else [Partition(partition) for partition in range(count)]
        )
        for told in update.partitions:
            if told.id < count and told.epoch >= partitions[told.id].epoch:
                partitions[told.id] = Partition(
                    told.id, told.epoch, told.primary, tuple(told.replicas), tuple(told.in_sync)
                )
        return _routed(
            Topology(
                update.cluster or self.cluster,
                update.revision,
                count,
                MappingProxyType(nodes),
                tuple(partitions),
            )
        )

    def moved(self, moved: Moved) -> Topology:
        """Return this map with one partition as a MOVED answer told; itself if not newer."""
        if not 0 <= moved.partition < len(self.partitions):
            return self
        known = self.partitions[moved.partition]
        if moved.epoch <= known.epoch or not moved.address:
            return self
        partitions = list(self.partitions)
        partitions[moved.partition] = Partition(
            known.id, moved.epoch, moved.owner, known.replicas, (), moved.address
        )
        return _routed(replace(self, partitions=tuple(partitions)))

    def _accepts(self, update: topology_pb2.Topology) -> bool:
        if not self.revision:
            # Without a complete update first, changes have nothing to stand on.
            return update.complete and update.partition_count > 0 and update.revision > 0
        if update.cluster and update.cluster != self.cluster:
            return False
        if update.partition_count and update.partition_count != self.partition_count:
            return False
        return update.revision > self.revision


def _routed(topology: Topology) -> Topology:
    """Fill in ``addresses``, which the hot path reads."""
    nodes = topology.nodes
    addresses = []
    for partition in topology.partitions:
        node = nodes.get(partition.primary)
        addresses.append(partition.moved_to or (node.address if node is not None else ""))
    return replace(topology, addresses=tuple(addresses))
