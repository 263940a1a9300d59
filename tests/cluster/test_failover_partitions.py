"""Links are cut, in network namespaces where the machine allows it: `make soak`, briefly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


def test_partitions_of_all_kinds_lose_nothing_that_was_acknowledged_in_sync(
    tmp_path: Path, repository: Path
) -> None:
    nemeses = ("isolate", "mute", "deafen", "part", "slow")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tools.soak", "--sequence", *nemeses),
            *("--nodes", "3", "--replicas", "1", "--etcd-members", "1"),
            *("--seed", "11", "--out", str(tmp_path)),
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads((tmp_path / "soak.json").read_text())
    assert told["good"]
    assert set(told["faults"]) == set(nemeses)
    assert told["operations"] > 0
