"""What one run of the loader tells. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bench.machine import Interference


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests that were due within one slice of a paced run: ``(latency in us, how many)``."""

    starts_ms: int
    latencies_us: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run against one server. An operation is one key, however many a request holds."""

    operations: int
    requests: int
    seconds: float
    server_cpu_seconds: float
    loader_cpu_seconds: float
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int
    slices: tuple[Slice, ...] = ()
    interference: Interference | None = None

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds

    @property
    def cpu_us_per_operation(self) -> float:
        return self.server_cpu_seconds / self.operations * 1e6

    @property
    def loader_share(self) -> float:
        """Of the loader's core."""
        return self.loader_cpu_seconds / self.seconds

    @property
    def server_share(self) -> float:
        """Of one core."""
        return self.server_cpu_seconds / self.seconds


def parse(line: str, slice_ms: int = 0) -> Measured:
    """The loader's line of JSON."""
    said = json.loads(line)
    slices = tuple(
        Slice(
            said["slices_from_ms"] + slice_ms * at,
            tuple((upper_us, count) for upper_us, count in held),
        )
        for at, held in enumerate(said["slices"])
    )
    return Measured(
        operations=said["operations"],
        requests=said["requests"],
        seconds=said["seconds"],
        server_cpu_seconds=said["server_cpu_seconds"],
        loader_cpu_seconds=said["loader_cpu_seconds"],
        p50_us=said["p50_us"],
        p99_us=said["p99_us"],
        p999_us=said["p999_us"],
        max_us=said["max_us"],
        slices=slices,
    )


def quantile_us(slices: Sequence[Slice], share: float) -> int:
    """Over all slices together; 0 where they hold nothing."""
    counts: dict[int, int] = {}
    for each in slices:
        for upper_us, count in each.latencies_us:
            counts[upper_us] = counts.get(upper_us, 0) + count
    rank, seen = share * sum(counts.values()), 0
    for upper_us in sorted(counts):
        seen += counts[upper_us]
        if seen >= rank:
            return upper_us
    return 0
