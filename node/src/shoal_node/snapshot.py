"""What a data plane tells of its own work: one typed snapshot, read once.

The Rust data plane makes these very classes (``node/bridge/src/snapshot.rs`` names the
same fields), and so does its twin in memory. Counters are since the start and only rise.
Durations are in nanoseconds, memory in bytes.

Keys stand here, because an operator looks for them. They go to nobody else: no log and
no label of a metric has a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the requests of one method took, of those that were answered.

    Of a request that was answered at once this is the time from its first operation's
    entry to its last one's answer: the engine, and whoever it waited for there. Of one
    that waited or was forwarded it is all of the time since then.
    """

    count: int
    sum_ns: int
    buckets: tuple[tuple[int, int], ...]
    """For each end, ascending, how many took no longer."""
    p50_ns: int
    """Quantiles are never too low and at most 6.25 % too high."""
    p99_ns: int
    p999_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class Handshakes:
    """TLS handshakes of one side."""

    done: int
    failed: int
    last_failure: str
    """With whom, and why; empty where none failed."""


@dataclass(frozen=True, slots=True)
class PartitionUse:
    """One partition that is open here. Its counters begin when it is opened."""

    partition: int
    epoch: int
    entries: int = 0
    memory_bytes: int = 0
    hits: int = 0
    misses: int = 0
    evicted: int = 0
    expired: int = 0
    memory_full: int = 0
    is_switching: bool = False
    """On its way to another eviction policy."""


@dataclass(frozen=True, slots=True)
class SlowRequest:
    """A request that took longer than the threshold."""

    number: int
    """Rises by one with each."""
    unix_ms: int
    """When it ended, by the wall clock."""
    method: str
    duration_ns: int
    partition: int | None
    """None where it had many keys."""
    keys: int
    key_bytes: int
    key_hash: int
    """Keyed: alike for the same key as long as the process lives."""
    key: bytes
    """Cut at 1 KiB; empty where it had many."""


@dataclass(frozen=True, slots=True)
class SlowLog:
    """The last slow requests, the newest first, and how many there were."""

    threshold_ns: int
    total: int = 0
    requests: tuple[SlowRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key that is used much. Cut at 1 KiB."""

    key: bytes
    partition: int
    per_second: float
    """Operations a second now, decayed; too high by ``error_per_second`` at most (twice the
    standard error).
    """
    error_per_second: float
    reads_part: float


@dataclass(frozen=True, slots=True)
class Hottest:
    """The hottest keys, from a bounded table of sampled operations."""

    sampled_one_in: int = 1
    """One operation in so many is looked at now."""
    half_life_ms: int = 500
    keys: tuple[HotKey, ...] = ()


@dataclass(frozen=True, slots=True)
class BigKey:
    """An entry with much in it: its key and value together."""

    key: bytes
    partition: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Biggest:
    """The biggest entries: none of more than ``complete_above_bytes`` is missing."""

    complete_above_bytes: int = 0
    keys: tuple[BigKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One node's data plane at one time."""

    maxmemory_bytes: int
    open_partitions: int
    lease_remaining_ms: int
    """Until the engine fences itself; 0 when it has."""
    eviction: str
    slow: SlowLog
    switching_partitions: int = 0
    """Open ones that are on their way to ``eviction``."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """By RPC method, whatever came of them; of Execute its messages."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """By reason (docs/reasons.md)."""
    operations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By operation and outcome: each on one key, evaluated here."""
    durations: Mapping[str, Durations] = field(default_factory=dict)
    """By RPC method."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """By what it is for. ``connections`` and ``introspection`` stand beside the engine's
    memory; the other kinds add up to ``memory_bytes``.
    """
    replication: Mapping[str, int] = field(default_factory=dict)
    """``streams`` of followers now, ``followed_partitions`` now; and since the start
    ``waits`` of answers for other copies, ``log_batches``, ``log_bytes``,
    ``snapshot_bytes`` and ``snapshots`` sent, ``applied_bytes`` as a follower.
    """
    fills: Mapping[str, int] = field(default_factory=dict)
    """``leases``, keys that are being loaded now, and ``waiters``, callers that wait for that
    now; and since the start tokens ``given`` for a miss and ``passed`` on to one who waited,
    values ``stored`` with one and refused because it was ``void``, waits that ``ran_out``, and
    callers turned away because it was ``full``.
    """
    near: Mapping[str, int] = field(default_factory=dict)
    """``watchers`` of invalidations now, keys that are ``hot`` now, and keys whose grants are
    ``noted`` now; and since the start ``grants`` to near caches, ``invalidations_sent`` to
    watchers, each one's counted, and ``watchers_lost``, whose streams ended because they were
    too slow.
    """
    tls: Mapping[str, Handshakes] = field(default_factory=dict)
    """``accepted`` from callers, ``made`` with other nodes; nothing where TLS is not spoken."""
    hits: int = 0
    misses: int = 0
    evicted: int = 0
    expired: int = 0
    memory_full: int = 0
    forwarded: int = 0
    moved: int = 0
    connections: int = 0
    entries: int = 0
    memory_bytes: int = 0
    """Every byte that the engine counts, not only values."""
    partitions: tuple[PartitionUse, ...] = ()
    hottest: Hottest = field(default_factory=Hottest)
    biggest: Biggest = field(default_factory=Biggest)
