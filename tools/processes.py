"""Processes on loopback for the time of a trial, each with its output in a log."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shoal.cli.up.etcd_binary import find

_LOG_SHOWN_CHARACTERS = 2000


def free_ports(count: int) -> list[int]:
    """So many different ones, free just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends. Where that fails, the end of its log is shown."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        except AssertionError:
            said = log.read_text(errors="replace")[-_LOG_SHOWN_CHARACTERS:]
            print(f"{log.name}: {said}", file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running_etcd(folder: Path) -> Iterator[str]:
    """A real etcd of one member whose data go with the folder: where its clients find it."""
    client_port, peer_port = free_ports(2)
    url, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    command = [
        *(str(find(os.environ).path), "--data-dir", str(folder / "etcd")),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"default={peer}"),
        *("--log-level", "error", "--unsafe-no-fsync"),
    ]
    with running(command, folder / "etcd.log"):
        yield url
