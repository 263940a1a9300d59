"""What an entry costs above its key and value, as the process grows and as the server counts.

1,000,000 entries of a 13-byte key and a 100-byte value, each with a time to live; with
Shoal each has a version too, which the others have not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.comparison import OURS
from bench.finding import Finding, Goal, Row
from bench.loader_process import Load, run
from bench.machine import resident_bytes
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.servers import Server, Start

NAME = "memory"
ENTRIES = 1_000_000
KEY_BYTES = 13
VALUE_BYTES = 100
TTL_MS = 3_600_000
GOAL = Goal(40)
_WARM = 2_000
_WARM_FIRST_KEY = 900_000_000
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes an entry above key and value."""

    resident: float
    counted: float


def measure(plan: Plan) -> list[Finding]:
    """Each server by itself, new for this; the figure is the larger of our two."""
    entries = 20_000 if plan.is_quick else ENTRIES
    rows = []
    for name, start in plan.servers.items():
        footprint = _of(start, plan.cores.server, entries)
        did = f"{entries:,} entries, {KEY_BYTES} + {VALUE_BYTES} bytes, with TTL"
        rows.append(Row(name, f"{did}: RSS", Sample.of([footprint.resident])))
        rows.append(Row(name, f"{did}: as it counts", Sample.of([footprint.counted])))
    ours = [row.value.median for row in rows if row.server == OURS]
    return [
        Finding(
            name=NAME,
            title="bytes of an entry above its key and value",
            unit="bytes an entry",
            rows=tuple(rows),
            figure_name="Shoal, the larger of both",
            figure=Sample.of([max(ours)]),
            goal=None if plan.is_quick else GOAL,
            notes=("an entry of Shoal has a version, which those of the others have not",),
        )
    ]


def above_payload(bytes_grown: int, entries: int) -> float:
    """Pure."""
    return bytes_grown / entries - KEY_BYTES - VALUE_BYTES


def _of(start: Start, core: int, entries: int) -> Footprint:
    with start((core,)) as server:
        # Buffers of connections and the like are there before the first entry counts.
        run(server, _load(_WARM_FIRST_KEY, _WARM))
        resident, counts = _settled(server), server.counts()
        run(server, _load(0, entries))
        resident_after, counts_after = _settled(server), server.counts()
    held = counts_after.entries - counts.entries
    if held != entries:
        raise RuntimeError(f"{server.name} holds {held} of the {entries} entries that were set")
    return Footprint(
        resident=above_payload(resident_after - resident, entries),
        counted=above_payload(counts_after.memory_bytes - counts.memory_bytes, entries),
    )


def _settled(server: Server) -> int:
    """Resident memory once it no longer moves."""
    last = resident_bytes(server.pid)
    for _ in range(10):
        time.sleep(_SETTLE_SECONDS / 2)
        now = resident_bytes(server.pid)
        if now == last:
            break
        last = now
    return last


def _load(first_key: int, keys: int) -> Load:
    return Load(
        operation="set",
        shape="batch",
        batch=16,
        connections=4,
        streams=2,
        first_key=first_key,
        keys=keys,
        key_bytes=KEY_BYTES,
        value_bytes=VALUE_BYTES,
        ttl_ms=TTL_MS,
        is_fill=True,
    )
