"""A real cluster for tests: what `shoal up --json` starts, with the means to hurt it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class NodeProcess:
    id: str
    address: str
    pid: int
    metrics: str


@dataclass
class LocalCluster:
    """Runs until stopped or left; every process it started is gone then."""

    nodes: int = 3
    partitions: int = 64
    replicas: int = 0
    lease_ttl_seconds: int = 2
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside that of the test."""
    up: subprocess.Popen[str] = field(init=False)
    line: dict[str, object] = field(init=False)
    started: list[subprocess.Popen[bytes]] = field(init=False, default_factory=list)
    stderr: IO[str] = field(init=False)

    def __enter__(self) -> Self:
        self.stderr = tempfile.TemporaryFile("w+")
        self.up = subprocess.Popen(
            [
                BIN / "shoal",
                "up",
                "--json",
                f"--nodes={self.nodes}",
                f"--partitions={self.partitions}",
                f"--replicas={self.replicas}",
                f"--lease-ttl={self.lease_ttl_seconds}",
                *self.arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            env={**os.environ, **self.environment},
        )
        assert self.up.stdout is not None
        printed = self.up.stdout.readline()
        if not printed:
            self.up.wait()
            self.stderr.seek(0)
            raise AssertionError(f"shoal up did not start: {self.stderr.read()}")
        self.line = json.loads(printed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        if self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
            try:
                self.up.wait(30)
            except subprocess.TimeoutExpired:
                self.up.kill()
                self.up.wait()
        if self.up.stdout is not None:
            self.up.stdout.close()
        self.stderr.close()

    @property
    def etcd_url(self) -> str:
        return str(self.line["etcd"]["url"])  # type: ignore[index]

    @property
    def etcd_pid(self) -> int:
        return int(self.line["etcd"]["pid"])  # type: ignore[index]

    @property
    def coordinators(self) -> list[tuple[str, int]]:
        listed = self.line["coordinators"]
        return [(each["address"], each["pid"]) for each in listed]  # type: ignore[attr-defined]

    @property
    def metrics_urls(self) -> list[str]:
        """Of coordinators and nodes."""
        listed = [*self.line["coordinators"], *self.line["nodes"]]  # type: ignore[misc]
        return [each["metrics"] for each in listed]

    @property
    def node_processes(self) -> list[NodeProcess]:
        return [NodeProcess(**each) for each in self.line["nodes"]]  # type: ignore[attr-defined]

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.node_processes]

    @property
    def url(self) -> str:
        return f"shoal://{','.join(self.addresses)}"

    def all_pids(self) -> list[int]:
        return [
            self.etcd_pid,
            *(pid for _, pid in self.coordinators),
            *(node.pid for node in self.node_processes),
        ]

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def start_node(self, node_id: str, address: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a node beside the ones that `shoal up` started, or one of them again."""
        process = subprocess.Popen(
            [
                BIN / "shoal-node",
                f"--etcd={self.etcd_url}",
                f"--listen={address}",
                f"--id={node_id}",
                "--maxmemory=128MiB",
                *arguments,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process
