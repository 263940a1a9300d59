"""What ``--ack``, ``--read`` and ``--at-least`` make of a request, seen by a fake cluster."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from fake_cluster import FakeCluster
from shoal.cli.app import shoal
from shoal.v1 import cache_pb2


def run(cluster: FakeCluster, *arguments: str) -> str:
    result = CliRunner().invoke(shoal, [*arguments, "--url", cluster.url])
    assert result.exit_code == 0, result.output
    return result.output


def sent(cluster: FakeCluster, method: str) -> list[object]:
    return [request for node in cluster.nodes.values() for request in node.requests(method)]


@pytest.mark.parametrize(
    ("arguments", "method"),
    [
        (["set", "k", "1"], "Set"),
        (["incr", "k"], "Incr"),
        (["touch", "k", "--ttl", "5"], "Touch"),
        (["del", "k"], "Del"),
    ],
)
def test_every_write_takes_an_ack(cluster: FakeCluster, arguments: list[str], method: str) -> None:
    cluster.entries[b"k"] = (b"1", 0, 1)
    for ack in ([], ["--ack", "primary"], ["--ack", "in-sync"]):
        cluster.entries.setdefault(b"k", (b"1", 0, 1))
        run(cluster, *arguments, *ack)
    acks = {request.ack for request in sent(cluster, method)}
    assert acks == {cache_pb2.ACK_UNSPECIFIED, cache_pb2.ACK_PRIMARY, cache_pb2.ACK_IN_SYNC}


def test_a_read_names_its_mode_and_version(cluster: FakeCluster) -> None:
    run(cluster, "set", "k", "v")
    assert run(cluster, "get", "k", "--read", "any", "--at-least", "1.1") == "v"
    printed = json.loads(run(cluster, "get", "k", "-o", "json", "--at-least", "1.1"))
    assert printed["version"] == "1.1"
    assert "maybe_stale" not in printed
    for request in sent(cluster, "Get"):
        assert request.read == cache_pb2.READ_MODE_ANY
        assert request.at_least == cache_pb2.Version(epoch=1, seq=1)


@pytest.mark.parametrize("version", ["7", "1.", ".1", "1.2.3", "-1.2", "one.two"])
def test_what_is_no_version_is_a_usage_error(version: str) -> None:
    result = CliRunner().invoke(shoal, ["get", "k", f"--at-least={version}"])
    assert result.exit_code == 2
    assert "EPOCH.SEQ" in result.output
