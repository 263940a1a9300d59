"""Prometheus metrics."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from cluster_views import live, member, record, view
from shoal_coordinator.errors import CannotListen
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import HttpServer
from shoal_coordinator.service.metrics import Metrics, serve_metrics

LOOPBACK = HostPort("127.0.0.1", 0)


def text_of(server: HttpServer) -> str:
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def test_metrics_tell_what_the_view_says() -> None:
    seen = view(
        nodes=(live("a"),),
        members=(member("a"), member("b")),
        records=(record(0, "a", preference="b a", handoff_to="b"),),
    )
    metrics = Metrics(lambda: seen, lambda: True)
    metrics.carried_out("PlanPartition", 8)
    server = serve_metrics(metrics, LOOPBACK)
    try:
        lines = text_of(server).splitlines()
        urllib.request.urlopen(server.url("/ready"), timeout=5).close()
        with pytest.raises(CannotListen):
            serve_metrics(metrics, server.address)
    finally:
        server.close()
    for line in (
        "shoal_coordinator_leader 1.0",
        "shoal_coordinator_ready 1.0",
        "shoal_coordinator_live_nodes 1.0",
        'shoal_coordinator_members{state="active"} 2.0',
        "shoal_coordinator_unserved_partitions 7.0",
        "shoal_coordinator_misplaced_partitions 1.0",
        "shoal_coordinator_handoffs 1.0",
        "shoal_coordinator_under_replicated_partitions 7.0",
        'shoal_coordinator_actions_total{kind="PlanPartition"} 8.0',
    ):
        assert line in lines


def test_before_the_first_view_there_is_nothing_to_tell() -> None:
    server = serve_metrics(Metrics(lambda: None, lambda: False), LOOPBACK)
    try:
        assert "shoal_coordinator_ready 0.0" in text_of(server).splitlines()
        urllib.request.urlopen(server.url("/live"), timeout=5).close()
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(server.url("/ready"), timeout=5)
    finally:
        server.close()
