"""What Prometheus reads."""

from __future__ import annotations

import urllib.request
from dataclasses import replace

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from shoal_node.data_plane_memory import MemoryCounters
from shoal_node.fence import LeaseTimes
from shoal_node.metrics import NodeCollector, serve_metrics
from shoal_node.settings import HostPort

COUNTERS = MemoryCounters(
    maxmemory_bytes=1 << 30,
    open_partitions=5,
    lease_remaining_ms=1_500,
    requests={"Get": 7, "Set": 2},
    failures={"MOVED": 1},
    hits=4,
    misses=3,
    entries=9,
    memory_bytes=1024,
    connections=2,
)


def collector() -> NodeCollector:
    lease = LeaseTimes(deadline_ns=0, renewed_ns=10**9)
    return NodeCollector(lambda: COUNTERS, lambda: lease, lambda: 3 * 10**9)


def test_every_metric_has_its_name_and_value() -> None:
    registry = CollectorRegistry()
    registry.register(collector())
    expected = {
        ("shoal_requests_total", ("method", "Get")): 7,
        ("shoal_requests_total", ("method", "Set")): 2,
        ("shoal_failures_total", ("reason", "MOVED")): 1,
        ("shoal_partitions", ("role", "primary")): 5,
    }
    for (name, label), value in expected.items():
        assert registry.get_sample_value(name, dict([label])) == value
    for name, value in {
        "shoal_hits_total": 4,
        "shoal_misses_total": 3,
        "shoal_evicted_total": 0,
        "shoal_expired_total": 0,
        "shoal_forwarded_total": 0,
        "shoal_moved_total": 0,
        "shoal_connections": 2,
        "shoal_entries": 9,
        "shoal_memory_bytes": 1024,
        "shoal_maxmemory_bytes": 1 << 30,
        "shoal_lease_remaining_seconds": 1.5,
        "shoal_lease_age_seconds": 2.0,
    }.items():
        assert registry.get_sample_value(name) == value, name


def test_they_are_served_on_a_port_of_their_own_until_closed() -> None:
    server = serve_metrics(HostPort("127.0.0.1", 0), collector())
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    server.close()
    assert "shoal_hits" in {family.name for family in text_string_to_metric_families(text)}


def test_no_value_is_older_than_its_scrape() -> None:
    hits = 0
    registry = CollectorRegistry()
    lease = LeaseTimes(0, 0)
    registry.register(NodeCollector(lambda: replace(COUNTERS, hits=hits), lambda: lease, lambda: 1))
    hits = 41
    assert registry.get_sample_value("shoal_hits_total") == 41
