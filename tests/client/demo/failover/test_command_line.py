from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shoal.demo.failover import command


def test_a_wrong_option_is_a_usage_error() -> None:
    for arguments in (["--lanes", "3"], ["--calm", "0"], ["--pause", "-1"]):
        assert CliRunner().invoke(command, arguments).exit_code == 2


@pytest.mark.cluster
@pytest.mark.timeout(240)
def test_nothing_that_was_acknowledged_in_sync_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--calm", "1", "--lanes", "12", "--lease-ttl", "2", "--out", str(tmp_path)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "failover.json").read_text())
    kinds = [mark["kind"] for mark in report["marks"]]
    assert kinds == ["node killed", "node restarted", "copies restored", "node terminated"]
    for felt in report["felt"]:
        for recovery in felt["recoveries"]:
            assert recovery["all_ms"] is not None
    for verdict in report["verdicts"]:
        assert verdict["acknowledged"] > 100
    assert "<svg" in (tmp_path / "failover.svg").read_text()
