"""The alert rules and the dashboard, before a real Prometheus that scrapes a real cluster.

Prometheus is Debian's package; where it is not installed this file is skipped, and only the
names are held against the documented ones (tests/tools/test_monitoring_names.py).
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from tools.dashboard import ROWS

import shoal
from local_cluster import LocalCluster
from prometheus_process import BINARY, PROMTOOL, prometheus

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(180),
    pytest.mark.skipif(BINARY is None or PROMTOOL is None, reason="prometheus is not installed"),
]

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
RULES = MONITORING / "alerts.yaml"


def test_the_rules_are_rules_and_raise_what_they_should() -> None:
    for arguments in (
        ("check", "rules", RULES),
        ("test", "rules", MONITORING / "alerts_test.yaml"),
    ):
        assert PROMTOOL is not None
        ran = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_query_of_the_dashboard_finds_something(tmp_path: Path, eventually) -> None:
    queries = [
        query.replace("$node", ".*").replace("$__rate_interval", "5s")
        for row in ROWS
        for panel in row.panels
        for query, _ in panel.queries
    ]
    with (
        LocalCluster(nodes=3, partitions=16, replicas=1) as cluster,
        prometheus(cluster.metrics_urls, RULES, tmp_path) as server,
        shoal.Client(cluster.addresses, timeout="20s") as client,
    ):

        def unanswered() -> list[str]:
            client.set("key", b"value")
            client.get("key")
            with pytest.raises(shoal.ShoalError):
                client.incr("key")
            return [query for query in queries if not server.query(query)]

        eventually(server.is_ready, what="prometheus", within_seconds=60)
        deadline = time.monotonic() + 60
        while missing := unanswered():
            assert time.monotonic() < deadline, f"no answer for {missing}"
            time.sleep(0.2)
        rules = server.rules()
        assert len(rules) == 15
        assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []

        victim = cluster.node_processes[0]
        cluster.kill(victim.pid)

        def raised() -> set[str]:
            return {
                rule["name"]
                for rule in server.rules()
                for alert in rule["alerts"]
                if alert["labels"].get("alarm", "") in {"", "members_down"}
            }

        eventually(
            lambda: {"ShoalAlarmWarning", "ShoalCopiesMissing"} <= raised(),
            what="alerts about the node that was killed",
            within_seconds=60,
        )
