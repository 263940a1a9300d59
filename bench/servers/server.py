"""What a server under test is, and how one is started."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from bench.machine import pin

START_SECONDS_MAX = 20.0


class MissingPeer(Exception):
    """A server to compare with is not installed; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a server says of itself. ``memory_bytes``: as it counts its data. ``evicted``:
    entries dropped for want of room, ``reads``: keys looked up; only Shoal is asked for these.
    ``applied``: the numbered operations of all its copies, where the data plane alone is asked."""

    entries: int
    memory_bytes: int
    evicted: int = 0
    reads: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers. ``protocol`` is as the loader names it; ``registry`` is the URL of
    the etcd of a whole Shoal."""

    name: str
    protocol: str
    version: str
    address: str
    pid: int
    counts: Callable[[], Counts]
    registry: str = ""

    @property
    def host_port(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        return host, int(port)


class Start(Protocol):
    """Starts a server on these cores, with as many threads as there are cores."""

    def __call__(
        self, cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30
    ) -> AbstractContextManager[Server]: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(command: list[str], port: int, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a folder of its own, pinned, that listens on ``port`` when it is yielded."""
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running,
    ):
        try:
            pin(running.pid, core)
            _await_listener(running, port)
            pin(running.pid, core)
            yield running
        finally:
            running.terminate()


def _await_listener(running: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + START_SECONDS_MAX
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if running.poll() is not None or time.monotonic() > give_up:
            arguments = running.args
            assert isinstance(arguments, list)
            raise RuntimeError(f"{Path(str(arguments[0])).name} did not start on port {port}")
        time.sleep(0.02)


def ask(address: tuple[str, int], line: bytes, end: bytes) -> str:
    """Send one line of a text protocol and read until the answer ends with ``end``."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(line + b"\r\n")
        answer = b""
        while not answer.endswith(end):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    return answer.decode()
