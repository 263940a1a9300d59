"""The Job of k8s/overlays/kind: what it finds in a cluster that loses nothing, and in another."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools.soak.cluster import Cluster

import shoal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

PROGRAM = Path(__file__).resolve().parents[2] / "k8s" / "overlays" / "kind" / "verify.py"
ENDS_SECONDS = 60


@contextmanager
def verifying(cluster: Cluster, seconds: float) -> Iterator[subprocess.Popen[str]]:
    url = f"shoal://{','.join(cluster.seeds)}"
    arguments = ("--url", url, "--keys", "1200", "--seconds", str(seconds))
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_of(process: subprocess.Popen[str]) -> str:
    """What its keys begin with, once the cluster is there."""
    assert process.stdout is not None
    _, _, seed = process.stdout.readline().rpartition(" ")
    return f"verify:{int(seed):x}"


def test_a_node_that_is_restarted_costs_it_nothing(hurt: Cluster) -> None:
    with verifying(hurt, seconds=6) as process:
        run_of(process)
        node = hurt.nodes["node-1"]
        node.terminate()
        assert node.wait() == 0
        node.start()
        output, _ = process.communicate(timeout=ENDS_SECONDS)
    found = json.loads(output.splitlines()[-1])
    assert (process.returncode, found["good"]) == (0, True), found
    assert found["reads"] > found["writes"] > found["keys"]
    assert found["counter"] == found["counted"] > 0


def test_it_notices_what_is_lost_and_what_is_wrong(hurt: Cluster) -> None:
    with shoal.Client(hurt.seeds) as client, verifying(hurt, seconds=6) as process:
        run = run_of(process)
        # Nobody else writes a counter before everything is stored.
        while client.get(f"{run}:counter") is shoal.MISSING:
            assert process.poll() is None
        client.delete(*(f"{run}:{number}" for number in range(0, 1200, 2)))
        client.set_many({f"{run}:{number}": b"another" for number in range(1, 1200, 2)})
        client.incr(f"{run}:counter", 1)
        output, _ = process.communicate(timeout=ENDS_SECONDS)
    found = json.loads(output.splitlines()[-1])
    assert (process.returncode, found["good"]) == (1, False)
    assert found["lost"] > 0
    assert found["wrong"]
    assert found["counter"] == found["counted"] + 1
