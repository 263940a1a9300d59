"""What a client does, over and over, and how often and how fast it did it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any, Final

from bench.clients.libraries import Asynchronous, Blocking, Library

KEYS: Final = tuple(f"product:{number:08d}" for number in range(1000))
VALUE: Final = bytes(range(256)) * 4
MANY: Final = 100
IN_FLIGHT: Final = 100
_CHECKED_EVERY_CALLS: Final = 16
"""Looking at the clock is no part of what is measured."""

SEQUENTIAL, BATCH, ASYNCIO, NEAR = "get", "get-many", "asyncio", "near"
LOADS: Final = (SEQUENTIAL, BATCH, ASYNCIO, NEAR)


@dataclass(frozen=True, slots=True)
class Done:
    """One run of one client. An operation is one key. CPU: user and system of its process."""

    operations: int
    seconds: float
    cpu_seconds: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds

    @property
    def cpu_us_per_operation(self) -> float:
        return self.cpu_seconds / self.operations * 1e6


class WrongAnswer(Exception):
    """A client read something else than what was stored; the text says what."""


def run(library: Library, load: str, address: str, seconds: float) -> Done:
    """Fill the server, warm up for a tenth of the time, and measure."""
    with library.blocking(address) as client:
        for key in KEYS:
            client.set(key, VALUE)
    if load == ASYNCIO:
        assert library.asynchronous is not None
        return asyncio.run(_in_flight(library, address, seconds))
    make = library.near if load == NEAR else library.blocking
    assert make is not None
    with make(address) as client:
        call, keys_of_a_call = _call(client, load)
        _repeat(call, seconds / 10)
        return _measured(lambda: _repeat(call, seconds) * keys_of_a_call)


def _call(client: Blocking, load: str) -> tuple[Callable[[], object], int]:
    if load == BATCH:
        keys = KEYS[:MANY]
        _check(client.get_many(keys), MANY)
        return lambda: client.get_many(keys), MANY
    _check([client.get(key) for key in KEYS], len(KEYS))
    following = cycle(KEYS).__next__
    get = client.get
    return lambda: get(following()), 1


def _check(values: Sequence[object], wanted: int) -> None:
    if len(values) != wanted or any(value != VALUE for value in values):
        raise WrongAnswer(f"asked for {wanted} keys, {len(values)} answers, not all as stored")


def _repeat(call: Callable[[], object], seconds: float) -> int:
    calls, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(_CHECKED_EVERY_CALLS):
            call()
        calls += _CHECKED_EVERY_CALLS
    return calls


def _measured(work: Callable[[], int]) -> Done:
    cpu, started = time.process_time(), time.monotonic()
    operations = work()
    return Done(operations, time.monotonic() - started, time.process_time() - cpu)


async def _in_flight(library: Library, address: str, seconds: float) -> Done:
    assert library.asynchronous is not None
    async with library.asynchronous(address) as client:
        _check([await client.get(key) for key in KEYS], len(KEYS))
        await _callers(client, seconds / 10)
        cpu, started = time.process_time(), time.monotonic()
        operations = await _callers(client, seconds)
        return Done(operations, time.monotonic() - started, time.process_time() - cpu)


async def _callers(client: Asynchronous, seconds: float) -> int:
    end = time.monotonic() + seconds

    async def caller(keys: Any) -> int:
        calls = 0
        while time.monotonic() < end:
            await client.get(next(keys))
            calls += 1
        return calls

    keys = cycle(KEYS)
    return sum(await asyncio.gather(*(caller(keys) for _ in range(IN_FLIGHT))))
