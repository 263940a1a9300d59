"""What Prometheus reads: names, labels and values, through its own parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from shoal_node.agent_counts import AgentCounts
from shoal_node.fence import LeaseTimes
from shoal_node.metrics import NodeCollector
from shoal_node.snapshot import (
    Biggest,
    BigKey,
    Durations,
    Handshakes,
    HotKey,
    Hottest,
    PartitionUse,
    SlowLog,
    SlowRequest,
    Snapshot,
)

SECRET = b"customer:4711"
SNAPSHOT = Snapshot(
    maxmemory_bytes=1 << 30,
    open_partitions=5,
    lease_remaining_ms=1_500,
    eviction="lru",
    switching_partitions=1,
    requests={"Get": 7, "Set": 2},
    failures={"MOVED": 1},
    operations={("get", "hit"): 4, ("get", "miss"): 3, ("set", "applied"): 2},
    durations={
        "Get": Durations(
            count=7,
            sum_ns=14_000,
            buckets=((1_024, 2), (2_048, 6), (4_096, 6)),
            p50_ns=1_500,
            p99_ns=9_000,
            p999_ns=9_000,
            max_ns=9_000,
        )
    },
    memory={"keys_and_values": 700, "index": 324, "introspection": 4096},
    near={"watchers": 2, "grants": 50, "invalidations_sent": 12, "watchers_lost": 1},
    tls={"accepted": Handshakes(6, 2, "10.0.0.1: late"), "made": Handshakes(3, 0, "")},
    hits=4,
    misses=3,
    entries=9,
    memory_bytes=1024,
    connections=2,
    partitions=(
        PartitionUse(3, 1, entries=5, memory_bytes=600, hits=4),
        PartitionUse(4, 9, entries=4, memory_bytes=424, misses=3, evicted=2),
    ),
    slow=SlowLog(10_000_000, 1, (SlowRequest(1, 2, "Get", 3, 4, 1, 13, 6, SECRET),)),
    hottest=Hottest(keys=(HotKey(SECRET, 3, 2_000.5, 10.0, 1.0),)),
    biggest=Biggest(100, (BigKey(SECRET, 3, 5_000),)),
)


COUNTS = AgentCounts(
    promotions=3,
    empty_take_overs=2,
    hand_overs=1,
    joined=6,
    left=4,
    followed_partitions=8,
    under_replicated_partitions=7,
)


def collector(
    snapshot: Callable[[], Snapshot] = lambda: SNAPSHOT, *, of_partitions: bool = True
) -> NodeCollector:
    lease = LeaseTimes(deadline_ns=0, renewed_ns=10**9)
    return NodeCollector(
        snapshot, lambda: lease, COUNTS, lambda: 3 * 10**9, of_partitions=of_partitions
    )


def text_of(made: NodeCollector) -> str:
    registry = CollectorRegistry()
    registry.register(made)
    return generate_latest(registry).decode()


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text)
        for sample in family.samples
    }


def families(text: str) -> Iterator[Metric]:
    return iter(text_string_to_metric_families(text))


@pytest.fixture(scope="module")
def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return parsed(text_of(collector()))


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "shoal_hits_total": 4,
        "shoal_misses_total": 3,
        "shoal_evicted_total": 0,
        "shoal_expired_total": 0,
        "shoal_memory_full_total": 0,
        "shoal_forwarded_total": 0,
        "shoal_moved_total": 0,
        "shoal_slow_requests_total": 1,
        "shoal_near_grants_total": 50,
        "shoal_invalidations_sent_total": 12,
        "shoal_invalidation_watchers_lost_total": 1,
        "shoal_invalidation_watchers": 2,
        "shoal_connections": 2,
        "shoal_entries": 9,
        "shoal_memory_bytes": 1024,
        "shoal_maxmemory_bytes": 1 << 30,
        "shoal_switching_partitions": 1,
        "shoal_hand_overs_total": 1,
        "shoal_under_replicated_partitions": 7,
        "shoal_hottest_key_operations_per_second": 2_000.5,
        "shoal_biggest_key_bytes": 5_000,
        "shoal_lease_remaining_seconds": 1.5,
        "shoal_lease_age_seconds": 2.0,
    }.items(),
)
def test_every_metric_without_labels_has_its_name_and_value(
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str, value: float
) -> None:
    assert samples[name, ()] == value


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("shoal_requests_total", {"method": "Get"}, 7),
        ("shoal_requests_total", {"method": "Set"}, 2),
        ("shoal_failures_total", {"reason": "MOVED"}, 1),
        ("shoal_tls_handshakes_total", {"side": "accepted", "outcome": "failed"}, 2),
        ("shoal_tls_handshakes_total", {"side": "made", "outcome": "done"}, 3),
        ("shoal_operations_total", {"operation": "get", "outcome": "hit"}, 4),
        ("shoal_operations_total", {"operation": "set", "outcome": "applied"}, 2),
        ("shoal_partitions", {"role": "primary"}, 5),
        ("shoal_partitions", {"role": "follower"}, 8),
        ("shoal_take_overs_total", {"with_data": "true"}, 3),
        ("shoal_take_overs_total", {"with_data": "false"}, 2),
        ("shoal_in_sync_changes_total", {"change": "joined"}, 6),
        ("shoal_in_sync_changes_total", {"change": "left"}, 4),
        ("shoal_memory_kind_bytes", {"kind": "index"}, 324),
        ("shoal_eviction_policy", {"policy": "lru"}, 1),
        ("shoal_eviction_policy", {"policy": "s3fifo"}, 0),
        ("shoal_partition_entries", {"partition": "3"}, 5),
        ("shoal_partition_hits_total", {"partition": "3"}, 4),
        ("shoal_partition_evicted_total", {"partition": "4"}, 2),
    ],
)
def test_every_metric_with_labels_has_its_value(
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float],
    name: str,
    labels: dict[str, str],
    value: float,
) -> None:
    assert samples[name, tuple(sorted(labels.items()))] == value


def test_durations_are_a_histogram_in_seconds() -> None:
    family = next(
        it for it in families(text_of(collector())) if it.name == "shoal_request_duration_seconds"
    )
    assert family.type == "histogram"
    buckets = {
        float(it.labels["le"]): it.value for it in family.samples if it.name.endswith("_bucket")
    }
    assert buckets == {1.024e-06: 2, 2.048e-06: 6, 4.096e-06: 6, float("inf"): 7}
    values = {it.name: it.value for it in family.samples if not it.name.endswith("_bucket")}
    assert values["shoal_request_duration_seconds_count"] == 7
    assert values["shoal_request_duration_seconds_sum"] == pytest.approx(14e-6)


def test_no_key_is_in_any_of_it() -> None:
    assert SECRET.decode() not in text_of(collector())


def test_metrics_of_partitions_can_be_left_out() -> None:
    assert "shoal_partition_" not in text_of(collector(of_partitions=False))


def test_no_value_is_older_than_its_scrape() -> None:
    hits = 0
    registry = CollectorRegistry()
    registry.register(collector(lambda: replace(SNAPSHOT, hits=hits)))
    hits = 41
    assert registry.get_sample_value("shoal_hits_total") == 41
