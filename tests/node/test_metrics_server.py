"""The node's HTTP server: what it serves, and to whom."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shoal_coordinator.access.bearer import digest_of
from shoal_coordinator.access.policy import Operation, Policy, Role, Token
from shoal_coordinator.access.rights import Access
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.http_server import HttpServer
from shoal_node import metrics_server
from shoal_node.agent_counts import AgentCounts
from shoal_node.fence import LeaseTimes
from shoal_node.metrics import NodeCollector
from shoal_node.metrics_server import serve_metrics
from shoal_node.snapshot import SlowLog, Snapshot

SNAPSHOT = Snapshot(
    maxmemory_bytes=1, open_partitions=0, lease_remaining_ms=0, eviction="lru", slow=SlowLog(5)
)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    lease = LeaseTimes(deadline_ns=0, renewed_ns=0)
    collector = NodeCollector(
        lambda: SNAPSHOT, lambda: lease, AgentCounts(), lambda: 1, of_partitions=True
    )
    served = serve_metrics(
        HostPort("127.0.0.1", 0), collector, lambda: SNAPSHOT, lambda is_ready: not is_ready
    )
    yield served
    with contextlib.suppress(OSError):
        served.close()


def read(server: HttpServer, path: str) -> str:
    with urllib.request.urlopen(server.url(path), timeout=5) as answer:
        return str(answer.read().decode())


def test_metrics_are_served(server: HttpServer) -> None:
    names = {family.name for family in text_string_to_metric_families(read(server, "/metrics"))}
    assert "shoal_hits" in names


def test_figures_are_served(server: HttpServer) -> None:
    assert json.loads(read(server, "/figures"))["partitions"] == 0


def test_probes_are_told_by_the_status(server: HttpServer) -> None:
    assert read(server, "/live") == "OK\n"
    with pytest.raises(urllib.error.HTTPError, match="503"):
        read(server, "/ready")


def test_introspection_is_served_on_this_machine(server: HttpServer) -> None:
    assert json.loads(read(server, "/introspection"))["eviction"] == "lru"


def test_introspection_is_refused_to_others(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "_is_loopback", lambda _address: False)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(server, "/introspection")
    assert "shoal_hits" in read(server, "/metrics")


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.9", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_who_is_on_this_machine(address: str, is_here: bool) -> None:
    assert metrics_server._is_loopback(address) is is_here


def test_anything_else_is_not_there(server: HttpServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(server, "/keys")


def test_after_closing_nobody_listens(server: HttpServer) -> None:
    port = server.address.port
    server.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


@pytest.fixture
def guarded() -> Iterator[HttpServer]:
    """Of a node with an access file."""
    roles = (Role("see", frozenset({Operation.INSPECT})), Role("run", frozenset({Operation.ADMIN})))
    tokens = tuple(Token(role.name, digest_of(role.name), (role.name,)) for role in roles)
    access = Access(Policy(roles, tokens))
    lease = LeaseTimes(deadline_ns=0, renewed_ns=0)
    collector = NodeCollector(
        lambda: SNAPSHOT, lambda: lease, AgentCounts(), lambda: 1, of_partitions=True
    )
    served = serve_metrics(
        HostPort("127.0.0.1", 0),
        collector,
        lambda: SNAPSHOT,
        lambda is_ready: not is_ready,
        access=lambda: access,
    )
    yield served
    served.close()


def test_introspection_is_told_to_whoever_may_inspect(guarded: HttpServer) -> None:
    def asked(path: str, token: str | None) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        request = urllib.request.Request(guarded.url(path), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)

    told = {token: asked("/introspection", token) for token in (None, "see", "run", "wrong")}
    assert told == {None: 403, "see": 200, "run": 403, "wrong": 403}
    assert asked("/metrics", None) == 200
