"""memcached: one thread, its text protocol."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench.servers.server import Counts, MissingPeer, Server, ask, free_port, process


@contextmanager
def memcached(cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30) -> Iterator[Server]:
    """Debian's ``memcached``, or ``$MEMCACHED``."""
    binary = os.environ.get("MEMCACHED") or shutil.which("memcached")
    if binary is None:
        raise MissingPeer("memcached is missing: apt-get install memcached, or set MEMCACHED")
    port = free_port()
    command = [
        binary,
        *("-l", "127.0.0.1"),
        *("-p", str(port)),
        *("-U", "0"),
        *("-t", "1"),
        *("-m", str(maxmemory_bytes >> 20)),
        *(("-u", "root") if os.geteuid() == 0 else ()),
    ]
    with process(command, port, cores[0]) as running:
        address = ("127.0.0.1", port)
        yield Server(
            name="memcached",
            protocol="memcached",
            version=_version(binary),
            address=f"127.0.0.1:{port}",
            pid=running.pid,
            counts=lambda: counts(ask(address, b"stats", b"END\r\n")),
        )


def counts(stats: str) -> Counts:
    """Of the answer to ``stats``. Pure."""
    said = dict(re.findall(r"^STAT (\S+) (\S+)", stats, re.MULTILINE))
    return Counts(entries=int(said["curr_items"]), memory_bytes=int(said["bytes"]))


def _version(binary: str) -> str:
    said = subprocess.run([binary, "-V"], capture_output=True, text=True, check=True)
    return said.stdout.split()[-1]
