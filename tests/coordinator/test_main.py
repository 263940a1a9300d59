"""The command line, as a user meets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etcd_process import free_port


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shoal_coordinator.main", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_flag() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for flag in (
        "--etcd",
        "--listen",
        "--cluster",
        "--id",
        "--partitions",
        "--replicas",
        "--bootstrap-nodes",
        "--lease-ttl",
        "--eviction",
        "--metrics-listen",
        "--tls-cert",
        "--etcd-ca",
        "--insecure",
    ):
        assert flag in shown.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--listen", "127.0.0.1:0", "--partitions", "100"], "take a power of two"),
        (["--listen", "0.0.0.0:7300"], "say --insecure"),
        (["--listen", "7300"], "write HOST:PORT"),
        (["--listen", "127.0.0.1:0", "--down-grace", "1"], "--down-grace 1 is not usable"),
        (
            ["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"],
            "--tls-cert /nowhere cannot be read",
        ),
        (["--listen", "127.0.0.1:0", "--etcd-ca", "/nowhere"], "write https:// there"),
    ],
)
def test_a_bad_flag_gives_one_sentence_and_status_2(flags: list[str], sentence: str) -> None:
    ended = run("--etcd", "http://127.0.0.1:1", *flags)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("shoal-coordinator: ")
    assert sentence in ended.stderr


def test_without_etcd_it_says_so_and_ends_with_status_1() -> None:
    ended = run("--etcd", f"http://127.0.0.1:{free_port()}", "--listen", "127.0.0.1:0")
    assert ended.returncode == 1
    assert "no etcd answers at" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
