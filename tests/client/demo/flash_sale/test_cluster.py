from __future__ import annotations

import pytest

from shoal.demo.flash_sale import cluster
from shoal.demo.flash_sale.failures import ClusterFailed


def test_the_url_names_every_node() -> None:
    line = '{"etcd": {}, "coordinators": [], "nodes": [{"address": "a:1"}, {"address": "b:2"}]}'
    assert cluster.url_of(line) == "shoal://a:1,b:2"


@pytest.mark.parametrize("line", ["", "ready", "{}", "[]", '{"nodes": [{}]}', '{"nodes": []}'])
def test_another_line_is_refused(line: str) -> None:
    with pytest.raises(ClusterFailed, match="shoal up --json"):
        cluster.url_of(line)


def test_a_launcher_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standing in for the launcher: an interpreter that cannot import the command line."""
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with (
        pytest.raises(ClusterFailed, match=r"ended before the cluster was ready.\n(.|\n)+"),
        cluster.own_cluster(3) as launcher,
    ):
        cluster.url_when_ready(launcher)
    assert launcher.returncode not in (None, 0)
