"""What a node tells Prometheus: the data plane's counters and the agent's own gauges.

Collected when asked, never stored: a scrape reads the data plane once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal_node.data_plane_port import DataPlaneCounters
from shoal_node.fence import LeaseTimes
from shoal_node.settings import HostPort


class NodeCollector(Collector):
    """Reads everything anew for each scrape, in the scrape's thread."""

    def __init__(
        self,
        counters: Callable[[], DataPlaneCounters],
        lease: Callable[[], LeaseTimes],
        clock_ns: Callable[[], int],
    ) -> None:
        self._counters = counters
        self._lease = lease
        self._clock_ns = clock_ns

    def collect(self) -> Iterator[Metric]:
        counters = self._counters()
        yield from _counters(counters)
        yield from _gauges(counters)
        lease, now_ns = self._lease(), self._clock_ns()
        yield GaugeMetricFamily(
            "shoal_lease_remaining_seconds",
            "Until the engine fences itself; 0 when it has.",
            counters.lease_remaining_ms / 1000,
        )
        yield GaugeMetricFamily(
            "shoal_lease_age_seconds",
            "Since the last keepalive that etcd confirmed; 0 without a lease.",
            lease.age_seconds(now_ns),
        )


def serve_metrics(listen: HostPort, collector: Collector) -> MetricsServer:
    """Serve on a thread of its own. Raises OSError when it cannot bind."""
    registry = CollectorRegistry()
    registry.register(collector)
    server, thread = start_http_server(listen.port, listen.host, registry)
    return MetricsServer(server, thread)


class MetricsServer:
    """Serves until it is closed."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        self._server = server
        self._thread = thread

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _counters(counters: DataPlaneCounters) -> Iterator[Metric]:
    yield _labelled(
        "shoal_requests", "Requests, whatever came of them.", "method", counters.requests
    )
    yield _labelled("shoal_failures", "Requests or keys that failed.", "reason", counters.failures)
    for name, documentation, value in (
        ("shoal_hits", "Keys that were read and there.", counters.hits),
        ("shoal_misses", "Keys that were read and not there.", counters.misses),
        ("shoal_evicted", "Entries removed to make room.", counters.evicted),
        ("shoal_expired", "Entries removed at the end of their time.", counters.expired),
        ("shoal_forwarded", "Requests sent on to the owner.", counters.forwarded),
        ("shoal_moved", "Requests told who the owner is.", counters.moved),
    ):
        yield CounterMetricFamily(name, documentation, value)


def _gauges(counters: DataPlaneCounters) -> Iterator[Metric]:
    for name, documentation, value in (
        ("shoal_connections", "Open connections.", counters.connections),
        ("shoal_entries", "Entries held.", counters.entries),
        ("shoal_memory_bytes", "Bytes that the engine counts.", counters.memory_bytes),
        ("shoal_maxmemory_bytes", "Bytes that it may take.", counters.maxmemory_bytes),
    ):
        yield GaugeMetricFamily(name, documentation, value)
    partitions = GaugeMetricFamily(
        "shoal_partitions", "Partitions served here, by role.", labels=["role"]
    )
    partitions.add_metric(["primary"], counters.open_partitions)
    yield partitions


def _labelled(
    name: str, documentation: str, label: str, values: Mapping[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
