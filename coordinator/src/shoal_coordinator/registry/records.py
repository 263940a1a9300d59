"""What the registry holds, as values that the rest of Shoal works with.

Each class mirrors the protobuf message of the same name in
``shoal/v1/registry.proto``; ``codec.py`` turns one into the other. Values are
frozen: a change is a new value, written by compare-and-swap.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType

NodeId = NewType("NodeId", str)
"""Name of a node, stable over its restarts."""

Incarnation = NewType("Incarnation", str)
"""One run of a node's process: random, new at every start."""

CopyId = NewType("CopyId", str)
"""One life of a node's copy of a partition: random, new whenever it starts from nothing."""

PartitionId = NewType("PartitionId", int)
"""0 to partition_count - 1."""

Epoch = NewType("Epoch", int)
"""Rises with every change of a partition's primary. 0: never taken."""

UNTAKEN = Epoch(0)


class MemberState(StrEnum):
    """A node's place in the cluster, as the coordinator sees it."""

    JOINING = "joining"
    """It waits to be added, and is given nothing."""
    ACTIVE = "active"
    """It takes its share. Of weight 0 that is nothing: a proxy."""
    DRAINING = "draining"
    """It is given nothing new, and what it has moves to others."""
    LEFT = "left"
    """It is gone for good, unless it is added again."""


class Eviction(StrEnum):
    """Which entry is given up when a node's memory is full."""

    S3FIFO = "s3fifo"
    LRU = "lru"
    LFU = "lfu"
    NONE = "none"


class Unclean(StrEnum):
    """What becomes of a partition when no copy in sync is left."""

    CLEAR = "clear"
    """It is taken over empty, so that nothing that was invalidated comes back."""
    KEEP = "keep"
    """The furthest copy that is left takes over with what it has."""
    REFUSE = "refuse"
    """Nobody takes it over: it waits for a copy in sync to come back, or another policy."""


class RebalanceMode(StrEnum):
    """Whether partitions move to where they are wanted. Failovers and repairs always go on."""

    RUNNING = "running"
    PAUSED = "paused"
    """No move begins; those under way end."""
    CANCELLED = "cancelled"
    """No move begins, and those under way are taken back."""


@dataclass(frozen=True, slots=True)
class RebalancePolicy:
    """How much moves at a time, and when. A move is one partition on its way."""

    mode: RebalanceMode = RebalanceMode.RUNNING
    moves_max: int = 8
    """In the whole cluster."""
    moves_per_node_max: int = 8
    """From one node, or to one."""
    moves_per_zone_pair_max: int = 8
    """From one zone to one zone."""
    repairs_max: int = 64
    """Partitions at a time that are given a copy they lack."""
    window_from_minute: int = 0
    """Of the day, in UTC: when moves may begin."""
    window_minutes: int = 0
    """For so long. 0: at any time."""
    below_max: int = 0
    """Moves begin while at most so many partitions have too few copies in sync."""
    abort_on_lost_node: bool = False
    """Moves under way are taken back while a member is down."""
    cancelled_for: str = ""
    """Names the members for which it is cancelled: once they are others, it runs again. Empty:
    it stays cancelled until it is resumed."""

    def __post_init__(self) -> None:
        limits = (self.moves_max, self.moves_per_node_max, self.moves_per_zone_pair_max)
        assert min(*limits, self.repairs_max) > 0, "mode pauses moves, not a limit of 0"
        assert 0 <= self.window_from_minute < MINUTES_A_DAY
        assert 0 <= self.window_minutes <= MINUTES_A_DAY
        assert self.below_max >= 0


MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Written when the cluster is created; of a running one ``eviction``, ``unclean``, the
    rate of snapshots, ``rebalance`` and ``auto_join`` change.
    """

    partition_count: int
    replica_count: int
    lease_ttl_seconds: int
    bootstrap_nodes: int
    cluster_id: str
    eviction: Eviction = Eviction.S3FIFO
    min_in_sync: int = 1
    """IN_SYNC writes are refused while fewer copies are in sync, the primary's counted."""
    unclean: Unclean = Unclean.CLEAR
    snapshot_bytes_per_second: int = 0
    """How fast a node sends snapshots, all of them together; 0: no bound."""
    rebalance: RebalancePolicy = RebalancePolicy()
    auto_join: bool = True
    """A node that registers the first time takes its share at once; otherwise it waits to be
    added."""
    protocol: int = 1
    """What every node and coordinator speaks at least, in etcd and to each other."""


@dataclass(frozen=True, slots=True)
class NodeRegistration:
    """A node that lives; bound to its lease."""

    id: NodeId
    address: str
    zone: str
    weight: int
    incarnation: Incarnation
    version: str
    metrics_url: str
    leaving: bool = False
    """It stops, and hands over what it has: nobody gives it more."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node's place in the cluster; outlives its process."""

    id: NodeId
    state: MemberState
    weight: int
    zone: str
    weight_is_set: bool = False
    """By an operator: it does not follow the node's own flag."""

    @property
    def takes_a_share(self) -> bool:
        return self.state is MemberState.ACTIVE and self.weight > 0


class Copy(NamedTuple):
    """One node's copy of a partition's data.

    A named tuple, because decisions compare copies by the thousand: C compares and hashes
    them, several times faster than a dataclass does itself.
    """

    node: NodeId
    copy_id: CopyId


@dataclass(frozen=True, slots=True)
class PartitionRecord:
    """Who owns a partition.

    Invariants: ``epoch == 0`` exactly when ``primary is None``; the primary is in
    ``in_sync``; ``epoch`` rises exactly when ``primary`` changes.
    """

    partition: PartitionId
    epoch: Epoch
    primary: Copy | None
    primary_incarnation: Incarnation | None
    replicas: tuple[NodeId, ...]
    in_sync: tuple[Copy, ...]
    preference: tuple[NodeId, ...]
    handoff_to: NodeId | None = None

    def __post_init__(self) -> None:
        assert (self.epoch == UNTAKEN) == (self.primary is None)
        assert (self.primary is None) == (self.primary_incarnation is None)
        assert self.primary is None or self.primary in self.in_sync


@dataclass(frozen=True, slots=True)
class CoordinatorLeader:
    """The coordinator that was elected; bound to its lease."""

    id: str
    address: str
