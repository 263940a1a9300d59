"""What a node tells Prometheus. ``docs/metrics.md`` has the table of all names.

Collected when asked, never stored: a scrape reads the data plane once. No label has a
key: the labels are methods, reasons, operations, outcomes, kinds of memory, policies,
roles and partitions, all from fixed lists.

Metrics of each partition served here are told where the cluster has few partitions
(``--partition-metrics``): at 16,384 of them they could be a hundred thousand series a
node. They are all there or none is, so that no series comes and goes with its rank;
``/introspection`` always has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from shoal_node.agent_counts import AgentCounts
from shoal_node.fence import LeaseTimes
from shoal_node.figures import figures_as_json
from shoal_node.snapshot import Durations, Handshakes, PartitionUse, Snapshot

_NANOSECONDS = 1_000_000_000
POLICIES = ("s3fifo", "lru", "lfu", "none")


class NodeCollector(Collector):
    """Reads everything anew for each scrape, in the scrape's thread."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        lease: Callable[[], LeaseTimes],
        counts: AgentCounts,
        clock_ns: Callable[[], int],
        *,
        of_partitions: bool,
    ) -> None:
        self._snapshot = snapshot
        self._lease = lease
        self._counts = counts
        self._clock_ns = clock_ns
        self._of_partitions = of_partitions

    def figures(self) -> bytes:
        """The few of them that a coordinator asks for."""
        lease_age_seconds = self._lease().age_seconds(self._clock_ns())
        return figures_as_json(
            self._snapshot(), self._counts, lease_age_seconds, of_partitions=self._of_partitions
        )

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        yield from _counters(snapshot)
        yield from _handshakes(snapshot)
        yield from _gauges(snapshot, self._counts.followed_partitions)
        yield from _of_agent(self._counts)
        yield _durations(snapshot.durations)
        if self._of_partitions:
            yield from _of_partitions(snapshot.partitions)
        lease, now_ns = self._lease(), self._clock_ns()
        yield GaugeMetricFamily(
            "shoal_lease_remaining_seconds",
            "Until the engine fences itself; 0 when it has.",
            snapshot.lease_remaining_ms / 1000,
        )
        yield GaugeMetricFamily(
            "shoal_lease_age_seconds",
            "Since the last keepalive that etcd confirmed; 0 without a lease.",
            lease.age_seconds(now_ns),
        )


def _counters(snapshot: Snapshot) -> Iterator[Metric]:
    yield _labelled(
        "shoal_requests", "Requests, whatever came of them.", "method", snapshot.requests
    )
    yield _labelled("shoal_failures", "Requests or keys that failed.", "reason", snapshot.failures)
    operations = CounterMetricFamily(
        "shoal_operations",
        "Operations, each on one key, evaluated here.",
        labels=["operation", "outcome"],
    )
    for (operation, outcome), count in snapshot.operations.items():
        operations.add_metric([operation, outcome], count)
    yield operations
    for name, documentation, value in (
        ("shoal_hits", "Keys that were read and there.", snapshot.hits),
        ("shoal_misses", "Keys that were read and not there.", snapshot.misses),
        ("shoal_evicted", "Entries removed to make room.", snapshot.evicted),
        ("shoal_expired", "Entries removed at the end of their time.", snapshot.expired),
        ("shoal_memory_full", "Writes refused for want of memory.", snapshot.memory_full),
        ("shoal_forwarded", "Requests sent on to the owner.", snapshot.forwarded),
        ("shoal_moved", "Requests told who the owner is.", snapshot.moved),
        ("shoal_slow_requests", "Requests slower than the threshold.", snapshot.slow.total),
    ):
        yield CounterMetricFamily(name, documentation, value)
    moved = snapshot.replication
    for name, documentation, key in (
        ("shoal_replication_waits", "Answers that waited for other copies.", "waits"),
        ("shoal_replication_batches", "Runs of log records sent.", "log_batches"),
        ("shoal_replication_log_bytes", "Bytes of log records sent.", "log_bytes"),
        ("shoal_replication_snapshot_bytes", "Bytes of snapshots sent.", "snapshot_bytes"),
        ("shoal_replication_snapshots", "Snapshots begun for followers.", "snapshots"),
        ("shoal_replication_applied_bytes", "Bytes applied as a follower.", "applied_bytes"),
    ):
        yield CounterMetricFamily(name, documentation, moved.get(key, 0))
    for name, documentation, key in (
        ("shoal_fill_given", "Fill tokens given for a miss.", "given"),
        ("shoal_fill_passed", "Fill tokens passed on to one who waited.", "passed"),
        ("shoal_fill_stored", "Values stored with a fill token.", "stored"),
        ("shoal_fill_void", "Values refused for a void fill token.", "void"),
        ("shoal_fill_waits_ran_out", "Waits for a load that ran out.", "ran_out"),
        ("shoal_fill_turned_away", "Callers turned away at a bound of fills.", "full"),
    ):
        yield CounterMetricFamily(name, documentation, snapshot.fills.get(key, 0))
    for name, documentation, key in (
        ("shoal_near_grants", "Answers that may be given from memory.", "grants"),
        ("shoal_invalidations_sent", "Invalidations told to watchers.", "invalidations_sent"),
        ("shoal_invalidation_watchers_lost", "Watchers that were too slow.", "watchers_lost"),
    ):
        yield CounterMetricFamily(name, documentation, snapshot.near.get(key, 0))


def _handshakes(snapshot: Snapshot) -> Iterator[Metric]:
    handshakes = CounterMetricFamily(
        "shoal_tls_handshakes",
        "TLS handshakes, accepted from callers and made with other nodes.",
        labels=["side", "outcome"],
    )
    for side in ("accepted", "made"):
        told = snapshot.tls.get(side, Handshakes(0, 0, ""))
        handshakes.add_metric([side, "done"], told.done)
        handshakes.add_metric([side, "failed"], told.failed)
    yield handshakes


def _gauges(snapshot: Snapshot, followed_partitions: int) -> Iterator[Metric]:
    hottest, biggest = snapshot.hottest.keys, snapshot.biggest.keys
    for name, documentation, value in (
        ("shoal_connections", "Open connections.", snapshot.connections),
        (
            "shoal_replication_streams",
            "Streams on which others follow this node.",
            snapshot.replication.get("streams", 0),
        ),
        ("shoal_fill_leases", "Keys that are being loaded.", snapshot.fills.get("leases", 0)),
        ("shoal_fill_waiters", "Callers that wait for that.", snapshot.fills.get("waiters", 0)),
        (
            "shoal_invalidation_watchers",
            "Streams on which clients hear of invalidations.",
            snapshot.near.get("watchers", 0),
        ),
        ("shoal_entries", "Entries held.", snapshot.entries),
        ("shoal_memory_bytes", "Bytes that the engine counts.", snapshot.memory_bytes),
        ("shoal_maxmemory_bytes", "Bytes that it may take.", snapshot.maxmemory_bytes),
        (
            "shoal_hottest_key_operations_per_second",
            "Of the key that is used most, estimated; 0 without any.",
            hottest[0].per_second if hottest else 0,
        ),
        (
            "shoal_biggest_key_bytes",
            "Key and value of the biggest entry known.",
            biggest[0].bytes if biggest else 0,
        ),
        (
            "shoal_switching_partitions",
            "Partitions on their way to another eviction policy.",
            snapshot.switching_partitions,
        ),
    ):
        yield GaugeMetricFamily(name, documentation, value)
    partitions = GaugeMetricFamily(
        "shoal_partitions", "Partitions served or followed here.", labels=["role"]
    )
    partitions.add_metric(["primary"], snapshot.open_partitions)
    partitions.add_metric(["follower"], followed_partitions)
    yield partitions
    memory = GaugeMetricFamily(
        "shoal_memory_kind_bytes", "Bytes by what they are for.", labels=["kind"]
    )
    for kind, kind_bytes in snapshot.memory.items():
        memory.add_metric([kind], kind_bytes)
    yield memory
    eviction = GaugeMetricFamily(
        "shoal_eviction_policy", "1 for the policy that holds, 0 for others.", labels=["policy"]
    )
    for policy in POLICIES:
        eviction.add_metric([policy], policy == snapshot.eviction)
    yield eviction


def _of_agent(counts: AgentCounts) -> Iterator[Metric]:
    take_overs = CounterMetricFamily(
        "shoal_take_overs", "Partitions that this node took over.", labels=["with_data"]
    )
    take_overs.add_metric(["true"], counts.promotions)
    take_overs.add_metric(["false"], counts.empty_take_overs)
    yield take_overs
    yield CounterMetricFamily(
        "shoal_hand_overs", "Partitions that this node handed to another.", counts.hand_overs
    )
    changes = CounterMetricFamily(
        "shoal_in_sync_changes", "Copies that came in sync, or left.", labels=["change"]
    )
    changes.add_metric(["joined"], counts.joined)
    changes.add_metric(["left"], counts.left)
    yield changes
    yield GaugeMetricFamily(
        "shoal_under_replicated_partitions",
        "Of those served here, with fewer copies in sync than wanted.",
        counts.under_replicated_partitions,
    )
    yield GaugeMetricFamily(
        "shoal_replica_lag_seconds",
        "Of the copy in sync that is furthest behind here.",
        counts.replica_lag_ms / 1000,
    )


def _durations(durations: Mapping[str, Durations]) -> Metric:
    family = HistogramMetricFamily(
        "shoal_request_duration_seconds",
        "How long requests took, in engine and queue.",
        labels=["method"],
    )
    for method, told in durations.items():
        buckets = [(repr(end_ns / _NANOSECONDS), count) for end_ns, count in told.buckets]
        family.add_metric([method], [*buckets, ("+Inf", told.count)], told.sum_ns / _NANOSECONDS)
    return family


def _of_partitions(partitions: tuple[PartitionUse, ...]) -> Iterator[Metric]:
    counters = ("hits", "misses", "evicted", "expired", "memory_full")
    for field, documentation in (
        ("entries", "Entries held, by partition."),
        ("memory_bytes", "Bytes that the engine counts, by partition."),
        ("hits", "Keys that were read and there, by partition."),
        ("misses", "Keys that were read and not there, by partition."),
        ("evicted", "Entries removed to make room, by partition."),
        ("expired", "Entries removed at the end of their time, by partition."),
        ("memory_full", "Writes refused for want of memory, by partition."),
    ):
        kind = CounterMetricFamily if field in counters else GaugeMetricFamily
        family = kind(f"shoal_partition_{field}", documentation, labels=["partition"])
        for use in partitions:
            family.add_metric([str(use.partition)], getattr(use, field))
        yield family


def _labelled(
    name: str, documentation: str, label: str, values: Mapping[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
