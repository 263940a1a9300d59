from __future__ import annotations

import pytest

from shoal.demo import cluster
from shoal.demo.failures import ClusterFailed


def test_the_line_names_etcd_and_every_node() -> None:
    line = (
        '{"etcd": {"url": "http://e:1", "pid": 1}, "coordinators": [], "nodes": ['
        '{"id": "node-1", "address": "a:1", "pid": 2, "metrics": ""}, '
        '{"id": "node-2", "address": "b:2", "pid": 3, "metrics": ""}]}'
    )
    ready = cluster.ready_of(line)
    assert ready.url == "shoal://a:1,b:2"
    assert ready.etcd_url == "http://e:1"
    assert ready.members[1] == cluster.Member("node-2", "b:2", 3)


@pytest.mark.parametrize(
    "line",
    ["", "ready", "{}", "[]", '{"nodes": [{}]}', '{"etcd": {"url": "http://e:1"}, "nodes": []}'],
)
def test_another_line_is_refused(line: str) -> None:
    with pytest.raises(ClusterFailed, match="shoal up --json"):
        cluster.ready_of(line)


def test_a_launcher_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standing in for the launcher: an interpreter that cannot import the command line."""
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with (
        pytest.raises(ClusterFailed, match=r"ended before the cluster was ready.\n(.|\n)+"),
        cluster.own_cluster("--nodes=3") as own,
    ):
        own.wait_until_ready()
