"""A storm of expiry: a million entries end in the same second while other keys are read.

The other load is paced, and a latency counts from when its request was due: a pause is seen
by every request that would have come meanwhile. How soon the entries are gone is what the
server says of itself, without a read of them. It says so in a storm of its own: a scrape of a
node's metrics costs its core some milliseconds, ten of them a second would be what the
latencies tell of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.comparison import OURS
from bench.finding import Finding, Goal, Row
from bench.loader_process import Load, Running, run
from bench.machine import Interference, cpu_seconds
from bench.measured import Slice, quantile_us
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.servers import Server, Start

NAME = "expiry"
ENTRIES = 1_000_000
READ_KEYS = 50_000
READ_FIRST_KEY = 900_000_000
RATE = 10_000
SLICE_MS = 100
BEFORE_MS = 3_000
DURING_MS = 1_000
LATENCY_GOAL = Goal(2.0)
RECLAIM_GOAL = Goal(1.0)
_POLL_SECONDS = 0.1
_GIVE_UP_SECONDS = 20.0
_LEADS = (1.5, 3.0, 6.0)
"""How many times what a fill should take is left for it, one try after the other."""


@dataclass(frozen=True, slots=True)
class Storm:
    """One server's, while nobody asked it anything."""

    p99_before_us: int
    p99_during_us: int
    max_during_us: int
    cpu_share_before: float
    cpu_share_during: float
    interference: Interference | None


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Of a storm in which the server was asked: ``seconds`` after the moment, at most
    ``_GIVE_UP_SECONDS``."""

    seconds: float
    interference: Interference | None


def measure(plan: Plan) -> list[Finding]:
    """A new server for each storm; memcached leaves expired entries until it needs their room."""
    entries = 20_000 if plan.is_quick else ENTRIES
    starts = {name: start for name, start in plan.servers.items() if name != "memcached"}
    storms: dict[str, list[Storm]] = {name: [] for name in starts}
    reclaims: dict[str, list[Reclaim]] = {name: [] for name in starts}
    for turn in range(min(plan.repetitions, 3)):
        plan.say(f"storm {turn + 1}")
        for name, start in starts.items():
            with _filled(start, plan.cores.server, entries) as (server, expire_at_ms):
                storms[name].append(_watched(server, expire_at_ms))
            with _filled(start, plan.cores.server, entries) as (server, expire_at_ms):
                reclaims[name].append(_reclaimed(server, expire_at_ms))
    ours = storms[OURS]
    ratios = Sample.of([each.p99_during_us / max(1, each.p99_before_us) for each in ours])
    beside = [each.interference for each in ours if each.interference is not None]
    reasons = judge(ratios, beside, plan.core_count).reasons
    times = Sample.of([each.seconds for each in reclaims[OURS]])
    beside_times = [it.interference for it in reclaims[OURS] if it.interference is not None]
    notes = [
        f"{name}: CPU {Sample.of([each.cpu_share_before for each in found]).median:.0%} of a "
        f"core before and {Sample.of([each.cpu_share_during for each in found]).median:.0%} in "
        "the second of the storm; longest wait "
        f"{max(each.max_during_us for each in found) / 1000:.1f} ms"
        for name, found in storms.items()
    ]
    return [
        Finding(
            name="expiry-p99",
            title=f"p99 of {RATE:,} GET a second while {entries:,} entries expire at once",
            unit="p99 us",
            rows=tuple(_latency_rows(storms)),
            figure_name="Shoal, during / before",
            figure=ratios,
            goal=LATENCY_GOAL,
            reasons=reasons,
            notes=tuple(notes),
            needs_quiet=True,
        ),
        Finding(
            name="expiry-reclaim",
            title=f"how long {entries:,} entries that expired at once stay in memory",
            unit="seconds",
            rows=tuple(
                Row(
                    name,
                    "until none is counted",
                    Sample.of([each.seconds for each in found]),
                )
                for name, found in reclaims.items()
            ),
            figure_name="Shoal, seconds",
            figure=times,
            goal=RECLAIM_GOAL,
            reasons=judge(times, beside_times, plan.core_count).reasons,
            notes=(
                f"read every {_POLL_SECONDS} s, and given up after {_GIVE_UP_SECONDS:.0f} s",
                "memcached is left out: it keeps what has expired until it needs the room",
            ),
            # Noise lengthens it and shortens nothing: what is met is met.
            needs_quiet=not RECLAIM_GOAL.holds(times.high),
        ),
    ]


def _latency_rows(storms: dict[str, list[Storm]]) -> list[Row]:
    rows = []
    for name, found in storms.items():
        rows.append(Row(name, "before", Sample.of([each.p99_before_us for each in found])))
        rows.append(Row(name, "during", Sample.of([each.p99_during_us for each in found])))
    return rows


@contextmanager
def _filled(start: Start, core: int, entries: int) -> Iterator[tuple[Server, int]]:
    """A server with what is read and what is to expire, and the moment when that ends."""
    with start((core,)) as server:
        run(server, _fill(READ_FIRST_KEY, READ_KEYS, 0))
        # As they are filled later on, which takes some servers longer than without an end.
        some = max(1, entries // 20)
        began = time.monotonic()
        run(server, _fill(0, some, _boottime_ms() + 3_600_000))
        per_entry = (time.monotonic() - began) / some
        for times in _LEADS:
            expire_at_ms = _boottime_ms() + int((times * per_entry * entries + 5) * 1000)
            run(server, _fill(0, entries, expire_at_ms))
            spare_ms = expire_at_ms - _boottime_ms()
            if spare_ms >= BEFORE_MS + 500:
                yield server, expire_at_ms
                return
        raise RuntimeError(
            f"{server.name} was filled only {spare_ms} ms before the entries expire: the "
            "machine is too busy for this scenario"
        )


def _running(server: Server, expire_at_ms: int) -> Running:
    """The reads, under way from before the moment until after the second that follows it."""
    _sleep_until(expire_at_ms - BEFORE_MS - 400)
    load = Load(
        keys=READ_KEYS,
        first_key=READ_FIRST_KEY,
        key_bytes=13,
        value_bytes=100,
        rate=RATE,
        slice_ms=SLICE_MS,
        warm_up_seconds=0.3,
        seconds=(BEFORE_MS + DURING_MS) / 1000 + 1.0,
    )
    return Running(server, load)


def _watched(server: Server, expire_at_ms: int) -> Storm:
    running = _running(server, expire_at_ms)
    _sleep_until(expire_at_ms - 1000)
    cpu_0 = cpu_seconds(server.pid)
    _sleep_until(expire_at_ms)
    cpu_1 = cpu_seconds(server.pid)
    _sleep_until(expire_at_ms + DURING_MS)
    passed_seconds = (_boottime_ms() - expire_at_ms) / 1000
    cpu_2 = cpu_seconds(server.pid)
    measured = running.finish()
    before, during = split(measured.slices, expire_at_ms)
    return Storm(
        p99_before_us=quantile_us(before, 0.99),
        p99_during_us=quantile_us(during, 0.99),
        max_during_us=quantile_us(during, 1.0),
        cpu_share_before=cpu_1 - cpu_0,
        cpu_share_during=(cpu_2 - cpu_1) / passed_seconds,
        interference=measured.interference,
    )


def _reclaimed(server: Server, expire_at_ms: int) -> Reclaim:
    running = _running(server, expire_at_ms)
    _sleep_until(expire_at_ms)
    seconds = _await_reclaimed(server, expire_at_ms)
    return Reclaim(seconds, running.finish().interference)


def split(slices: Sequence[Slice], expire_at_ms: int) -> tuple[list[Slice], list[Slice]]:
    """Those wholly before the moment, and those that touch the second after it. Pure."""
    before = [each for each in slices if each.starts_ms + SLICE_MS <= expire_at_ms]
    during = [
        each
        for each in slices
        if each.starts_ms + SLICE_MS > expire_at_ms and each.starts_ms < expire_at_ms + DURING_MS
    ]
    return before, during


def _await_reclaimed(server: Server, expire_at_ms: int) -> float:
    while True:
        entries = server.counts().entries
        passed = (_boottime_ms() - expire_at_ms) / 1000
        if entries <= READ_KEYS:
            return passed
        if passed >= _GIVE_UP_SECONDS:
            return _GIVE_UP_SECONDS
        time.sleep(_POLL_SECONDS)


def _fill(first_key: int, keys: int, expire_at_ms: int) -> Load:
    return Load(
        operation="set",
        shape="batch",
        batch=16,
        connections=4,
        streams=2,
        first_key=first_key,
        keys=keys,
        key_bytes=13,
        value_bytes=100,
        expire_at_ms=expire_at_ms,
        is_fill=True,
    )


def _boottime_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _sleep_until(boottime_ms: int) -> None:
    time.sleep(max(0, boottime_ms - _boottime_ms()) / 1000)
