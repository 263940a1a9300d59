"""The load of ``shoal bench``: callers of one client, each one call after the other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from shoal.demo.latency import LatencyHistogram


class Cache(Protocol):
    """What of ``shoal.Client`` the load uses."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: bytes, *, ttl: Any = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """``reads_part``: of all calls; the others write. Keys are drawn evenly."""

    callers: int
    seconds: float
    keys: int
    value_bytes: int
    reads_part: float
    ttl: str
    prefix: str
    seed: int


@dataclass(slots=True)
class Did:
    """What one caller did, or several together. Calls that failed have no latency."""

    reads: LatencyHistogram = field(default_factory=LatencyHistogram)
    writes: LatencyHistogram = field(default_factory=LatencyHistogram)
    hits: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: Did) -> None:
        """Add what another one did."""
        self.reads.merge(other.reads)
        self.writes.merge(other.writes)
        self.hits += other.hits
        self.errors.update(other.errors)


def run(
    cache: Cache, shape: Shape, failures: type[Exception], tick: Callable[[float], None]
) -> Did:
    """Load a cluster until the time is over. ``tick`` hears the seconds that are over."""
    is_over = threading.Event()
    done = [Did() for _ in range(shape.callers)]
    threads = [
        threading.Thread(target=_call, args=(cache, shape, number, is_over, did, failures))
        for number, did in enumerate(done)
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        while (elapsed := time.monotonic() - began) < shape.seconds:
            tick(elapsed)
            time.sleep(min(0.1, shape.seconds - elapsed))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    together = Did()
    for did in done:
        together.add(did)
    return together


def calls(shape: Shape, caller: int) -> Iterator[tuple[bool, str]]:
    """Draw what a caller asks for: whether it reads, and the key. Without an end."""
    lot = random.Random(f"{shape.seed}/{caller}")  # noqa: S311  no secret
    while True:
        yield lot.random() < shape.reads_part, f"{shape.prefix}{lot.randrange(shape.keys)}"


def _call(
    cache: Cache,
    shape: Shape,
    number: int,
    is_over: threading.Event,
    did: Did,
    failures: type[Exception],
) -> None:
    value = random.Random(shape.seed).randbytes(shape.value_bytes)  # noqa: S311  no secret
    for is_read, key in calls(shape, number):
        if is_over.is_set():
            return
        began = time.perf_counter()
        try:
            if is_read:
                did.hits += bool(cache.get(key))
            else:
                cache.set(key, value, ttl=shape.ttl)
        except failures as failure:
            did.errors[getattr(failure, "reason", type(failure).__name__)] += 1
            continue
        latency = did.reads if is_read else did.writes
        latency.record(int((time.perf_counter() - began) * 1_000_000))
