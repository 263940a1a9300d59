"""A real redis-server on a unix socket, evicting by ``allkeys-lru`` as it comes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.servers.server import MissingPeer

_START_SECONDS_MAX = 20.0


@contextmanager
def redis_server() -> Iterator[Path]:
    """Yields its socket once it listens."""
    binary = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if binary is None:
        raise MissingPeer(
            "redis-server is missing: apt-get install redis-server, or set REDIS_SERVER"
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "redis"
        command = [
            binary,
            *("--port", "0"),
            *("--unixsocket", str(path)),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--maxmemory-policy", "allkeys-lru"),
        ]
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            try:
                _await_listener(running, path)
                yield path
            finally:
                running.terminate()


def _await_listener(running: subprocess.Popen[bytes], path: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS_MAX
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        if running.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError("redis-server did not start on a unix socket")
        time.sleep(0.02)
