"""One load on one server: how much was done, and what CPU it cost the server."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import LOADER_CORE, cpu_seconds
from bench.servers import Server

KEYS = 100_000
VALUE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Measured:
    operations: float
    seconds: float
    cpu_us_per_operation: float

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds


def _run(command: Sequence[str], server: Server) -> tuple[str, float, float]:
    """Run a loader on its core; return what it printed, its time, the server's CPU time."""
    before, started = cpu_seconds(server.pid), time.monotonic()
    finished = subprocess.run(
        ["taskset", "--cpu-list", str(LOADER_CORE), *command],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout, time.monotonic() - started, cpu_seconds(server.pid) - before


def loader_binary() -> Path:
    return Path(os.environ["CARGO_TARGET_DIR"]) / "release" / "shoal-loader"


def shoal(server: Server, operation: str, connections: int, streams: int) -> Measured:
    printed, _, cpu = _run(
        [
            str(loader_binary()),
            *("--address", server.address),
            *("--operation", operation),
            *("--connections", str(connections)),
            *("--streams", str(streams)),
            *("--keys", str(KEYS)),
            *("--value-bytes", str(VALUE_BYTES)),
        ],
        server,
    )
    done = json.loads(printed)
    return Measured(done["operations"], done["seconds"], cpu / done["operations"] * 1e6)


def redis(
    server: Server, test: Sequence[str], clients: int, requests: int, keys_each: int = 1
) -> Measured:
    """A run of redis-benchmark, with random keys of the same number and size."""
    printed, seconds, cpu = _run(
        [
            "redis-benchmark",
            *("-p", server.port),
            *("-c", str(clients)),
            *("-n", str(requests)),
            *("-r", str(KEYS)),
            *("-d", str(VALUE_BYTES)),
            "--csv",
            *test,
        ],
        server,
    )
    rate = float(next(csv.DictReader(io.StringIO(printed)))["rps"])
    operations = requests * keys_each
    assert seconds > 0
    return Measured(operations, requests / rate, cpu / operations * 1e6)


def fill(shoal_server: Server, redis_server: Server) -> None:
    """Give both servers nearly every key, so that gets hit."""
    for _ in range(2):
        shoal(shoal_server, "set", 4, 32)
    redis(redis_server, ["-P", "16", "-t", "set"], 50, 8 * KEYS)
