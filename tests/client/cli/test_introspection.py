"""The commands that look into nodes, against a coordinator and a node that are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from shoal.cli.app import shoal
from shoal.cli.introspection import duration_text
from shoal.v1 import admin_pb2, admin_pb2_grpc, registry_pb2

TOLD = {
    "hottest": {
        "keys": [
            {
                "key": "warm",
                "partition": 1,
                "per_second": 10.0,
                "error_per_second": 0.0,
                "reads_part": 0.5,
            },
            {
                "key": "hot",
                "partition": 2,
                "per_second": 900.4,
                "error_per_second": 3.0,
                "reads_part": 1.0,
            },
        ]
    },
    "biggest": {
        "complete_above_bytes": 50,
        "keys": [
            {"key_base64": "/wA=", "partition": 3, "bytes": 9_000},
            {"key": "[red]b", "partition": 4, "bytes": 100},
        ],
    },
    "durations": {
        "Get": {"count": 7, "p50_ns": 900, "p99_ns": 1_500, "p999_ns": 2e6, "max_ns": 3e9},
        "Set": {"count": 0},
    },
    "slow": {
        "total": 3,
        "requests": [
            {
                "unix_ms": 1_700_000_000_000,
                "method": "Get",
                "duration_ns": 12_000_000,
                "keys": 1,
                "partition": 5,
                "key": "late",
            },
            {
                "unix_ms": 1_700_000_001_000,
                "method": "MGet",
                "duration_ns": 99_000_000,
                "keys": 40,
                "partition": None,
                "key": "",
            },
        ],
    },
}


class Admin(admin_pb2_grpc.AdminServicer):
    """Knows one node that lives, and one that does not."""

    def __init__(self, metrics_url: str) -> None:
        self.metrics_url = metrics_url

    def GetClusterStatus(
        self, request: admin_pb2.GetClusterStatusRequest, context: grpc.ServicerContext
    ) -> admin_pb2.GetClusterStatusResponse:
        del request, context
        live = registry_pb2.NodeRegistration(id="node-1", metrics_url=self.metrics_url)
        gone = admin_pb2.NodeStatus(member=registry_pb2.Member(id="node-2"))
        return admin_pb2.GetClusterStatusResponse(
            nodes=[admin_pb2.NodeStatus(registration=live), gone]
        )


class Node(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert self.path == "/introspection"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(TOLD).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def node_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def served(node_url: str) -> Iterator[tuple[Admin, str]]:
    admin = Admin(node_url)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServicer_to_server(admin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield admin, f"127.0.0.1:{port}"
    server.stop(None)


def asked(served: tuple[Admin, str], *arguments: str) -> str:
    answer = CliRunner().invoke(shoal, [*arguments, "-c", served[1]], env={"COLUMNS": "200"})
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def asked_json(served: tuple[Admin, str], *arguments: str) -> Any:
    return json.loads(asked(served, *arguments, "-o", "json"))


def test_the_hottest_keys_come_first(served: tuple[Admin, str]) -> None:
    keys = asked_json(served, "hotkeys")["keys"]
    assert [(key["key"], key["node"]) for key in keys] == [("hot", "node-1"), ("warm", "node-1")]
    lines = asked(served, "hotkeys", "--count", "1").splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["hot", "node-1", "2", "900", "3", "100%"]


def test_the_biggest_entries_say_what_may_be_missing(served: tuple[Admin, str]) -> None:
    assert asked_json(served, "bigkeys")["complete_above_bytes"] == 50
    text = asked(served, "bigkeys")
    assert "base64:/wA=" in text
    assert "[red]b" in text, "a key is no markup"
    assert "every entry of more than 50 bytes is listed" in text
    assert "every entry of more than 100 bytes" in asked(served, "bigkeys", "--count", "1")


def test_durations_have_units(served: tuple[Admin, str]) -> None:
    assert [row["method"] for row in asked_json(served, "latency")["durations"]] == ["Get"]
    row = asked(served, "latency").splitlines()[1]
    assert row.split() == ["node-1", "Get", "7", "900", "ns", "1.5", "us", "2", "ms", "3", "s"]


def test_the_slow_log_is_newest_first(served: tuple[Admin, str]) -> None:
    told = asked_json(served, "slowlog")
    assert (told["total"], [it["method"] for it in told["requests"]]) == (3, ["MGet", "Get"])
    text = asked(served, "slowlog")
    assert "(40 keys)" in text
    assert "2023-11-14 22:13:20+00:00" in text
    assert "3 requests were slow since the nodes started" in text


def test_a_node_that_does_not_tell_is_a_sentence(
    served: tuple[Admin, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served[0], "metrics_url", "http://127.0.0.1:1/metrics")
    answer = CliRunner().invoke(shoal, ["latency", "-c", served[1]])
    assert answer.exit_code == 4
    assert (
        "node node-1 does not tell of itself at http://127.0.0.1:1/introspection" in answer.stderr
    )


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_000, "1 us"), (999_400, "999 us"), (999_600, "1 ms")],
)
def test_a_duration_has_three_figures(duration_ns: int, text: str) -> None:
    assert duration_text(duration_ns) == text
