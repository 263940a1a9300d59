"""What a cluster asks of etcd, computed from the real keys and encoded records.

A node's record changes are counted as the code makes them: see ``moved_writes`` and
``lost_writes``. Every node and coordinator watches the whole cluster's prefix, so what is
written once is sent to each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from shoal_coordinator.registry.codec import (
    decode_partition,
    encode_config,
    encode_leader,
    encode_member,
    encode_partition,
    encode_registration,
)
from shoal_coordinator.registry.copy_ids import new_copy_id
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.records import (
    ClusterConfig,
    CoordinatorLeader,
    Copy,
    Epoch,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)

COORDINATORS = 3
TTL_SECONDS = 3
KEEPALIVES_PER_TTL = 3
SUCCESSORS = 2
_KEYS = Keys("production")
_INCARNATION = Incarnation("node-0123-0a1b2c3d4e5f60718293a4b5")


@dataclass(frozen=True, slots=True)
class Load:
    nodes: int
    partitions: int
    copies: int
    keys: int
    stored_bytes: int
    record_bytes: int
    keepalives_per_second: float
    watchers: int
    decode_seconds: float
    """For one process to read all partitions' records once."""

    @property
    def list_bytes(self) -> int:
        """What each process reads when it starts."""
        return self.stored_bytes

    @property
    def moved_writes(self) -> float:
        """Records written when a node joins: for each copy the plan, and that it is in sync in
        another's place; for each primary the hand-over.
        """
        share = 0.9 / (self.nodes + 1) * self.partitions
        return share * self.copies * 2 + share

    @property
    def lost_writes(self) -> float:
        """Records written when a node dies: its partitions are taken over, and its copies
        left out; after the grace the others follow (as for a join).
        """
        return self.partitions * self.copies / self.nodes

    @property
    def write_bytes_out(self) -> int:
        """What one write of a record sends to all who watch."""
        return self.watchers * self.record_bytes


def load_of(nodes: int, partitions: int, replicas: int) -> Load:
    copies = replicas + 1
    record_key = _KEYS.partition(PartitionId(partitions - 1))
    record = len(record_key) + len(encode_partition(_record(partitions - 1, copies)))
    node = NodeId("node-0123")
    registration = NodeRegistration(
        node,
        "10.20.30.123:7400",
        "eu-west-1a",
        100,
        _INCARNATION,
        "1.0.0",
        "http://10.20.30.123:9400/metrics",
    )
    member = Member(node, MemberState.ACTIVE, 100, "eu-west-1a")
    config = ClusterConfig(partitions, replicas, TTL_SECONDS, 3, "0" * 32)
    leader = CoordinatorLeader("coordinator-0", "10.20.30.1:7500")
    others = nodes * (
        len(_KEYS.node(node))
        + len(encode_registration(registration))
        + len(_KEYS.member(node))
        + len(encode_member(member))
    )
    single = len(_KEYS.config) + len(encode_config(config))
    single += len(_KEYS.leader) + len(encode_leader(leader))
    return Load(
        nodes=nodes,
        partitions=partitions,
        copies=copies,
        keys=partitions + 2 * nodes + 2,
        stored_bytes=partitions * record + others + single,
        record_bytes=record,
        keepalives_per_second=(nodes + COORDINATORS) * KEEPALIVES_PER_TTL / TTL_SECONDS,
        watchers=nodes + COORDINATORS,
        decode_seconds=_decode_seconds(partitions, copies),
    )


def _record(partition: int, copies: int) -> PartitionRecord:
    names = [NodeId(f"node-{number:04}") for number in range(100, 100 + copies + SUCCESSORS)]
    copy_id = new_copy_id(_INCARNATION, "9f8e7d6c5b4a3928")
    in_sync = tuple(Copy(node, copy_id) for node in names[:copies])
    return PartitionRecord(
        PartitionId(partition),
        Epoch(123),
        in_sync[0],
        _INCARNATION,
        tuple(names[1:copies]),
        in_sync,
        tuple(names),
    )


def _decode_seconds(partitions: int, copies: int) -> float:
    key = _KEYS.partition(PartitionId(1))
    value = encode_partition(_record(1, copies))
    count = 2000
    began = time.process_time()
    for _ in range(count):
        decode_partition(key, value)
    return (time.process_time() - began) / count * partitions
