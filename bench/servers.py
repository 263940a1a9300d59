"""The servers under test: real processes on loopback, alone on their core."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import SERVER_CORE, pin


class MissingPeer(Exception):
    """A server to compare with is not installed; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    pid: int

    @property
    def port(self) -> str:
        return self.address.rsplit(":", 1)[1]


@contextmanager
def shoal_node() -> Iterator[Server]:
    """One node that owns everything."""
    command = [
        str(Path(sys.executable).parent / "shoal"), "up", "--json",
        "--nodes", "1", "--replicas", "0", "--maxmemory", "2GiB",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        try:
            (node,) = json.loads(launcher.stdout.readline())["nodes"]
            pin(node["pid"], SERVER_CORE)
            yield Server(node["address"], node["pid"])
        finally:
            launcher.terminate()


@contextmanager
def redis() -> Iterator[Server]:
    binary = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if binary is None:
        raise MissingPeer(
            "redis-server is missing: apt-get install redis-server, or set REDIS_SERVER"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        binary,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process,
    ):
        try:
            pin(process.pid, SERVER_CORE)
            yield Server(f"127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
