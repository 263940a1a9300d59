"""``get``, ``set``, ``del``, ``incr``, ``touch`` and ``status`` on a real cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster import LocalCluster

pytestmark = pytest.mark.cluster
SHOAL = Path(sys.executable).with_name("shoal")


class Shell:
    """Runs ``shoal`` against one cluster."""

    def __init__(self, url: str, coordinator: str) -> None:
        self.url = url
        self.coordinator = coordinator

    def __call__(
        self, *arguments: str | bytes, code: int = 0, stdin: bytes = b""
    ) -> tuple[bytes, str]:
        """Return stdout and stderr of a command that must end with this code."""
        finished = subprocess.run(
            [SHOAL, *arguments],
            env={"SHOAL_URL": self.url, "SHOAL_COORDINATOR": self.coordinator},
            input=stdin,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert finished.returncode == code, finished.stderr.decode()
        return finished.stdout, finished.stderr.decode()


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with LocalCluster(nodes=2, partitions=16) as cluster:
        yield Shell(cluster.url, cluster.coordinators[0][0])


def test_a_value_is_read_back_byte_for_byte(shell: Shell) -> None:
    assert shell("set", "tea", "green") == (b"OK\n", "")
    assert shell("get", "tea") == (b"green", "")


def test_a_value_from_stdin_may_hold_anything(shell: Shell) -> None:
    value = bytes(range(256)) * 3
    shell("set", b"caf\xe9", "-", stdin=value)
    assert shell("get", b"caf\xe9")[0] == value


def test_a_miss_is_exit_code_1_and_no_output(shell: Shell) -> None:
    assert shell("get", "nothing", code=1) == (b"", "miss\n")
    printed, _ = shell("get", "nothing", "-o", "json", code=1)
    assert json.loads(printed) == {"key": "nothing", "status": "miss"}


def test_json_tells_version_and_time_to_live(shell: Shell) -> None:
    shell("set", "ttl", "x", "--ttl", "10m")
    answer = json.loads(shell("get", "ttl", "-o", "json")[0])
    assert (answer["status"], answer["value"]) == ("hit", "x")
    assert 590_000 < answer["ttl_ms"] <= 600_000
    assert answer["version"].count(".") == 1


def test_conditions(shell: Shell) -> None:
    shell("set", "lock", "me", "--if-present", code=1)
    shell("set", "lock", "me", "--if-absent")
    assert "the condition did not hold" in shell("set", "lock", "you", "--if-absent", code=1)[1]
    assert shell("get", "lock")[0] == b"me"


def test_incr(shell: Shell) -> None:
    assert shell("incr", "hits", "--initial", "10")[0] == b"11\n"
    assert shell("incr", "hits", "--by", "-5")[0] == b"6\n"
    shell("set", "word", "tea")
    assert "NOT_AN_INTEGER" in shell("incr", "word", code=4)[1]


def test_touch(shell: Shell) -> None:
    shell("touch", "untouched", "--ttl", "1m", code=1)
    shell("set", "touched", "x", "--ttl", "1m")
    shell("touch", "touched", "--forever")
    assert json.loads(shell("get", "touched", "-o", "json")[0])["ttl_ms"] is None


def test_del_counts_what_was_there(shell: Shell) -> None:
    shell("set", "gone", "x")
    assert shell("del", "gone", "never")[0] == b"1\n"
    shell("get", "gone", code=1)


def test_status(shell: Shell) -> None:
    printed, _ = shell("status")
    assert "all 16 partitions are served" in printed.decode()
    told = json.loads(shell("status", "-o", "json")[0])
    assert [node["id"] for node in told["nodes"]] == ["node-1", "node-2"]
    assert sum(node["primary_partitions"] for node in told["nodes"]) == 16
    assert told["unserved_partitions"] == []


def test_bench_loads_the_cluster_and_tells_how_fast_it_was(shell: Shell) -> None:
    flags = ("--seconds", "1", "--callers", "2", "--keys", "700", "--seed", "7")
    told = json.loads(shell("bench", *flags, "-o", "json")[0])
    assert (told["seed"], told["errors"]) == (7, {})
    assert told["hits"] == told["get"]["calls"] > told["set"]["calls"] > 0
    assert 0 < told["get"]["p50_ms"] <= told["get"]["p99_ms"] <= told["get"]["p99.9_ms"]
    assert shell("get", "shoal-bench:699")[0]
    assert "shoal-bench" not in shell("bench", *flags, "--reads", "0")[0].decode()


def test_top_tells_what_each_node_did_between_two_looks(shell: Shell) -> None:
    printed, _ = shell("top", "--every", "0.3", "--count", "2", "-o", "json")
    for look in printed.splitlines():
        nodes = json.loads(look)["nodes"]
        assert sorted(node["node"] for node in nodes) == ["node-1", "node-2"]
        assert {node["state"] for node in nodes} == {"up"}
        assert sum(node["primary_partitions"] for node in nodes) == 16
        assert all(node["operations_per_second"] >= 0 for node in nodes)
        assert all(0 < node["memory_bytes"] < node["maxmemory_bytes"] for node in nodes)
    table = shell("top", "--every", "0.3", "--count", "1")[0].decode()
    assert "ops/s" in table
    assert "node-2" in table
