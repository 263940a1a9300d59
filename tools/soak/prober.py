"""Time without writes: one key for each partition, written without a pause.

For measurements, beside a load or without one. Every attempt is a call of its own, so the
first acknowledged write after a fault is found to within an attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import shoal

_PAUSE_SECONDS = 0.004


@dataclass
class Written:
    """One partition's writes: when they were acknowledged, and what failed."""

    key: str
    acknowledged_ns: list[int] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)

    def first_after(self, at_ns: int) -> int | None:
        return next((one for one in self.acknowledged_ns if one > at_ns), None)

    def longest_gap_ms(self, since_ns: int) -> float:
        told = [one for one in self.acknowledged_ns if one >= since_ns]
        gaps = [after - before for before, after in pairwise(told)]
        return max(gaps, default=0) / 1e6


def keys_of(topology: shoal.Topology, partitions: Iterable[int]) -> dict[int, str]:
    """A key in each of these partitions."""
    wanted = set(partitions)
    found: dict[int, str] = {}
    number = 0
    while wanted - set(found):
        key = f"probe:{number}"
        found.setdefault(topology.partition_of(key).id, key)
        number += 1
    return {partition: found[partition] for partition in sorted(wanted)}


class Prober:
    """Use as a context manager; ``written`` is by partition."""

    def __init__(
        self,
        seeds: Sequence[str],
        partitions: Iterable[int],
        *,
        timeout: str,
        ack: str,
        max_attempts: int = 1,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        """``max_attempts`` above 1 writes as applications do, whose waits between attempts
        then count as well. ``pause_seconds``: between two writes of a key."""
        self._client = shoal.Client(list(seeds), timeout=timeout, max_attempts=max_attempts)
        self._ack = ack
        self._pause_seconds = pause_seconds
        self._stopped = threading.Event()
        topology = self._client.topology(timeout="15s")
        self.written = {
            partition: Written(key) for partition, key in keys_of(topology, partitions).items()
        }
        self._threads = [
            threading.Thread(target=self._write, args=(written,), daemon=True)
            for written in self.written.values()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)
        self._client.close()

    def wait_for_writes(self, after_ns: int, within_seconds: float = 40.0) -> None:
        """Wait until every partition has acknowledged a write after this instant."""
        deadline = time.monotonic() + within_seconds
        while any(one.first_after(after_ns) is None for one in self.written.values()):
            if time.monotonic() > deadline:
                missing = [
                    partition
                    for partition, one in self.written.items()
                    if one.first_after(after_ns) is None
                ]
                raise AssertionError(f"no write within {within_seconds:.0f} s on {missing}")
            time.sleep(0.01)

    def _write(self, written: Written) -> None:
        number = 0
        while not self._stopped.is_set():
            number += 1
            try:
                self._client.set(written.key, str(number), ack=self._ack)
            except shoal.ClientClosed:
                return
            except shoal.ShoalError as error:
                written.errors.append((time.monotonic_ns(), error.reason))
            else:
                written.acknowledged_ns.append(time.monotonic_ns())
            self._stopped.wait(self._pause_seconds)
