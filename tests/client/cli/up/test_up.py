"""``shoal up`` as people and scripts use it: real processes, real signals, real kills."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cluster import LocalCluster
from shoal.cli.up.probes import NodeProbe, http_text
from terminal import Terminal

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who lives"),
]
Eventually = Callable[..., Any]
PARTITIONS = 16
SHOAL = Path(sys.executable).with_name("shoal")


def said(cluster: LocalCluster) -> str:
    """All of stderr until now."""
    return os.pread(cluster.stderr.fileno(), 1_000_000, 0).decode()


def directory_of(cluster: LocalCluster) -> Path:
    found = re.search(r"^logs in (.*)/logs$", said(cluster), re.MULTILINE)
    assert found is not None, said(cluster)
    return Path(found[1])


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3, partitions=PARTITIONS) as running:
        yield running


def test_json_is_one_line_once_everything_serves(
    cluster: LocalCluster, is_gone: Callable[[int], bool]
) -> None:
    assert len(set(cluster.all_pids())) == 1 + 2 + 3
    assert not any(map(is_gone, cluster.all_pids()))
    for node in cluster.node_processes:
        probe = NodeProbe(node.address)
        assert probe.is_serving(timeout_seconds=5)
        ownership = probe.ownership(timeout_seconds=5)
        probe.close()
        assert ownership is not None
        assert ownership.partition_count == PARTITIONS
        assert ownership.unserved == ()
        assert "shoal_memory_bytes" in (http_text(node.metrics, 5) or "")
    cluster.up.send_signal(signal.SIGTERM)
    rest, _ = cluster.up.communicate(timeout=30)
    assert rest == ""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_stops_everything_and_leaves_nothing(
    cluster: LocalCluster, is_gone: Callable[[int], bool], signum: signal.Signals, code: int
) -> None:
    directory = directory_of(cluster)
    assert (directory / "logs" / "node-1.log").exists()
    cluster.up.send_signal(signum)
    assert cluster.up.wait(timeout=30) == code
    assert all(map(is_gone, cluster.all_pids()))
    assert not directory.exists()


def test_a_launcher_that_was_killed_leaves_nothing(
    cluster: LocalCluster, eventually: Eventually, is_gone: Callable[[int], bool]
) -> None:
    directory = directory_of(cluster)
    cluster.kill(cluster.up.pid)
    cluster.up.wait()
    eventually(lambda: all(map(is_gone, cluster.all_pids())), what="every process is gone")
    eventually(lambda: not directory.exists(), what="the temporary directory is gone")


def test_a_node_that_was_killed_is_shown_down_and_stays_down(
    cluster: LocalCluster, eventually: Eventually
) -> None:
    victim = cluster.node_processes[1]
    cluster.kill(victim.pid)
    eventually(lambda: not Path(f"/proc/{victim.pid}").exists(), what="it was reaped")
    down = f"{victim.id} at {victim.address} is down (killed by SIGKILL)"
    eventually(lambda: down in said(cluster), what="it is told")
    survivor = NodeProbe(cluster.node_processes[0].address)

    def others_serve_everything() -> bool:
        ownership = survivor.ownership(timeout_seconds=1)
        return ownership is not None and victim.id not in ownership.live and not ownership.unserved

    eventually(others_serve_everything, what="the others took over")
    survivor.close()
    assert f"{victim.id} at {victim.address} is serving" not in said(cluster).partition(down)[2]
    assert cluster.up.poll() is None


def test_a_data_directory_resumes_the_same_cluster(tmp_path: Path) -> None:
    kept = ("--data-dir", str(tmp_path / "data"))
    with LocalCluster(nodes=1, partitions=PARTITIONS, arguments=kept) as first:
        first.up.send_signal(signal.SIGTERM)
        assert first.up.wait(timeout=30) == 0
    assert (tmp_path / "data" / "logs" / "etcd.log").exists()
    with LocalCluster(nodes=1, partitions=2 * PARTITIONS, arguments=kept) as second:
        assert f"this cluster was created with {PARTITIONS} partitions" in said(second)


def test_a_process_that_does_not_start_is_named_with_its_last_words() -> None:
    refused = subprocess.run(
        [SHOAL, "up", "--json", "--nodes=1", "--maxmemory=a lot"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 4
    assert refused.stdout == ""
    assert "the cluster did not start: node-1 exited with code" in refused.stderr
    assert "'a lot' is not a size" in refused.stderr.partition("the last lines of")[2]


def test_etcd_that_is_named_and_does_not_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    refused = subprocess.run(
        [SHOAL, "up", "--json"],
        env={**os.environ, "SHOAL_ETCD_BINARY": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 4
    assert "SHOAL_ETCD_BINARY names" in refused.stderr
    assert refused.stdout == ""


def test_in_a_terminal_there_is_a_table_until_ctrl_c(
    eventually: Eventually, is_gone: Callable[[int], bool]
) -> None:
    terminal = Terminal(SHOAL, "up", "--nodes=2", f"--partitions={PARTITIONS}")
    try:
        terminal.read_until(r"lease.*node-1.*serving.*node-2.*serving.*are served", 60)
        assert "export SHOAL_URL=shoal://127.0.0.1:" in terminal.text
        assert "grpcurl -plaintext" in terminal.text
        assert re.search(r"starting the cluster.*━.*100%", terminal.text, re.DOTALL)
        pids = [int(pid) for pid in re.findall(r"node-\d .*\d s +(\d+)\s", terminal.text)]
        assert len(set(pids)) == 2
        os.write(terminal.side, b"\x03")
        terminal.read_until("stopping the cluster", 30)
        eventually(lambda: terminal.process.poll() is not None, what="it ends")
        assert terminal.process.returncode == 130
        assert all(map(is_gone, pids))
    finally:
        terminal.close()


def test_without_a_terminal_there_are_lines(eventually: Eventually, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout:
        up = subprocess.Popen(
            [SHOAL, "up", "--nodes=1", f"--partitions={PARTITIONS}"],
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )
    try:
        eventually(
            lambda: f"all {PARTITIONS} partitions are served" in output.read_text(),
            what="it is told",
            within_seconds=60,
        )
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 130
    assert "\x1b[" not in output.read_text()


def test_the_line_names_processes_that_scripts_may_signal(cluster: LocalCluster) -> None:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in cluster.all_pids()}
    assert "shoal_node" in commands[cluster.node_processes[0].pid]
    assert "shoal_coordinator" in commands[cluster.coordinators[0][1]]
    assert json.dumps(cluster.etcd_url)[1:-1] in commands[cluster.etcd_pid]


def test_with_tls_what_is_printed_reaches_the_cluster(tmp_path: Path) -> None:
    arguments = ("--tls", f"--data-dir={tmp_path / 'own'}")
    stale = {"SHOAL_TLS_CA": str(tmp_path / "of another cluster")}
    with LocalCluster(nodes=1, partitions=1, arguments=arguments, environment=stale) as cluster:
        told = cluster.line["tls"]
        assert isinstance(told, dict)
        environment = {
            **os.environ,
            "SHOAL_URL": f"shoals://{cluster.node_processes[0].address}",
            "SHOAL_COORDINATOR": cluster.coordinators[0][0],
            "SHOAL_TLS_CA": told["ca"],
        }
        for command in (["set", "k", "v"], ["top", "--count", "1", "--every", "0.2"]):
            done = subprocess.run(
                [SHOAL, *command], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        assert " up " in done.stdout
