"""What a coordinator goes by, of all that a node could tell: one JSON object.

A coordinator looks at every node each two seconds while partitions move. As metrics for
Prometheus, with those of each partition, the same takes ten times as long to write and to
read, in one go, and where a node has a part of a core its requests wait for that.

The names are those of ``survey/figures.py`` in the coordinator, and so are the units: bytes,
seconds, counters since the node's start.
"""

from __future__ import annotations

import json

from shoal_node.agent_counts import AgentCounts
from shoal_node.snapshot import Snapshot

_NANOSECONDS = 1_000_000_000


def figures_as_json(
    snapshot: Snapshot, counts: AgentCounts, lease_age_seconds: float, *, of_partitions: bool
) -> bytes:
    """``of_partitions``: tell of each, too, as in metrics."""
    used = snapshot.partitions if of_partitions else ()
    figures = {
        "memory_bytes": snapshot.memory_bytes,
        "value_bytes": snapshot.memory.get("keys_and_values", 0),
        "operations": sum(snapshot.operations.values()),
        "snapshot_bytes": snapshot.replication.get("snapshot_bytes", 0),
        "lease_age_seconds": lease_age_seconds,
        "replica_lag_seconds": counts.replica_lag_ms / 1000,
        "partitions": snapshot.open_partitions + counts.followed_partitions,
        "partition_memory_bytes": {it.partition: it.memory_bytes for it in used},
        "partition_reads": {it.partition: it.hits + it.misses for it in used},
        "durations": {
            method: [(end_ns / _NANOSECONDS, count) for end_ns, count in told.buckets]
            for method, told in snapshot.durations.items()
            if told.count
        },
    }
    return json.dumps(figures, separators=(",", ":")).encode()
