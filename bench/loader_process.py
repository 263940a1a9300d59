"""Runs ``shoal-loader`` on its core against one server, and watches the machine meanwhile."""

from __future__ import annotations

import resource
import subprocess
from dataclasses import dataclass, replace

from bench.binaries import binary
from bench.machine import cores, cpu_seconds, interference, reading
from bench.measured import Measured, parse
from bench.servers import Server


class LoadFailed(Exception):
    """The loader stopped: the server answered wrongly, or not at all. The text says which."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the loader does; see ``docs/benchmarks.md``."""

    operation: str = "get"
    shape: str = "single"
    batch: int = 1
    connections: int = 4
    streams: int = 32
    keys: int = 100_000
    first_key: int = 0
    key_bytes: int = 16
    value_bytes: int = 1024
    ttl_ms: int = 0
    expire_at_ms: int = 0
    is_fill: bool = False
    seconds: float = 1.5
    warm_up_seconds: float = 0.3
    operations_min: int = 0
    rate: int = 0
    slice_ms: int = 0
    seed: int = 1
    has_core: bool = True
    """The loaders' core is its own; else it runs where there is room, and sleeps while
    nothing is due."""

    @property
    def text(self) -> str:
        """As it stands in a table."""
        verb = self.operation.upper()
        how = {
            "single": verb,
            "many": f"M{verb} of {self.batch}",
            "batch": f"{verb} by {self.batch}",
        }
        return f"{how[self.shape]}, {self.connections} x {self.streams}"

    def flags(self) -> list[str]:
        named = {
            "operation": self.operation,
            "shape": self.shape,
            "batch": self.batch,
            "connections": self.connections,
            "streams": self.streams,
            "keys": self.keys,
            "first-key": self.first_key,
            "key-bytes": self.key_bytes,
            "value-bytes": self.value_bytes,
            "ttl-ms": self.ttl_ms,
            "expire-at-ms": self.expire_at_ms,
            "seconds": self.seconds,
            "warm-up-seconds": self.warm_up_seconds,
            "operations-min": self.operations_min,
            "rate": self.rate,
            "slice-ms": self.slice_ms,
            "seed": self.seed,
        }
        flags = [word for name, value in named.items() for word in (f"--{name}", str(value))]
        return [*flags, "--fill"] if self.is_fill else flags


def run(server: Server, load: Load) -> Measured:
    """Load the server; raises ``LoadFailed`` on the first wrong answer."""
    return Running(server, load).finish()


class Running:
    """A loader under way, for callers that do something else meanwhile."""

    def __init__(self, server: Server, load: Load) -> None:
        self._server = server
        self._load = load
        self._before = reading()
        self._own_before = _own_cpu_seconds(server)
        self._process = subprocess.Popen(
            [
                str(binary("shoal-loader")),
                *("--address", server.address),
                *("--protocol", server.protocol),
                *("--server-pid", str(server.pid)),
                *(("--core", str(cores().loader)) if load.has_core else ()),
                *load.flags(),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> Measured:
        server, load = self._server, self._load
        with self._process as process:
            printed, complained = process.communicate()
        if process.returncode != 0:
            sentence = complained.strip() or f"it ended with {process.returncode}"
            raise LoadFailed(f"{load.text} on {server.name}: {sentence}")
        measured = parse(printed, load.slice_ms)
        # With its start and its warm-up: what is left is that of others.
        own = _own_cpu_seconds(server) - self._own_before
        return replace(measured, interference=interference(self._before, reading(), own))


def _own_cpu_seconds(server: Server) -> float:
    """Of the server, and of the loaders that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_seconds(server.pid) + ended.ru_utime + ended.ru_stime
