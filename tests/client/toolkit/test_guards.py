"""Threads and tasks in front of one origin."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import shoal
from shoal._toolkit.aio_guard import AioGuard
from shoal._toolkit.blocking_guard import BlockingGuard

CALLERS = 40


class Origin:
    """Counts how many are in it at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = self.calls = 0
        self.open = threading.Event()

    def enter(self) -> None:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1

    def load(self) -> str:
        self.enter()
        try:
            assert self.open.wait(30)
        finally:
            self.leave()
        return "row"


def test_the_origin_sees_no_more_threads_than_allowed(eventually) -> None:
    guard = BlockingGuard(shoal.OriginGuard(max_loads=3, max_queued=CALLERS, max_wait="30s"))
    origin = Origin()
    with ThreadPoolExecutor(CALLERS) as pool:
        loads = [pool.submit(guard.load, b"%d" % n, origin.load) for n in range(CALLERS)]
        eventually(lambda: guard._bulkhead.queued == CALLERS - 3, what="the queue")
        assert origin.inside == guard.loading == 3
        origin.open.set()
        assert {load.result(30) for load in loads} == {"row"}
    assert (origin.most, origin.calls, guard.loading) == (3, CALLERS, 0)


def test_threads_of_one_key_go_one_after_the_other(eventually) -> None:
    guard = BlockingGuard(shoal.OriginGuard(max_loads=3, max_wait="30s"))
    origin = Origin()
    with ThreadPoolExecutor(5) as pool:
        loads = [pool.submit(guard.load, b"k", origin.load) for _ in range(5)]
        eventually(lambda: guard._bulkhead.queued == 4, what="the queue")
        origin.open.set()
        assert {load.result(30) for load in loads} == {"row"}
    assert origin.most == 1


def test_a_thread_does_not_wait_for_ever() -> None:
    guard = BlockingGuard(shoal.OriginGuard(max_loads=1, max_wait="20ms"))
    origin = Origin()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(guard.load, b"a", origin.load)
        while not origin.calls:
            assert not first.done()
        with pytest.raises(shoal.LoadRefused) as caught:
            guard.load(b"b", origin.load)
        assert caught.value.reason == "ORIGIN_BUSY"
        origin.open.set()
        first.result(10)
    assert origin.calls == 1
    assert guard.load(b"b", origin.load) == "row"


def broken() -> Any:
    raise OSError("origin is down")


def test_an_open_circuit_spares_the_origin() -> None:
    now = [0.0]
    guard = BlockingGuard(shoal.OriginGuard(failures=3, open_for="10s"), clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(OSError, match="origin is down"):
            guard.load(b"k", broken)
    for _ in range(20):
        with pytest.raises(shoal.LoadRefused) as caught:
            guard.load(b"k", broken)
        assert caught.value.reason == "CIRCUIT_OPEN"
    now[0] = 10.0
    assert guard.load(b"k", lambda: "row") == "row"


class AioOrigin(Origin):
    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def aload(self) -> str:
        self.enter()
        try:
            await self.gate.wait()
        finally:
            self.leave()
        return "row"


async def test_the_origin_sees_no_more_tasks_than_allowed() -> None:
    guard = AioGuard(shoal.OriginGuard(max_loads=3, max_queued=CALLERS, max_wait="30s"))
    origin = AioOrigin()
    loads = [asyncio.create_task(guard.load(b"%d" % n, origin.aload)) for n in range(CALLERS)]
    while guard._bulkhead.queued < CALLERS - 3:
        await asyncio.sleep(0)
    origin.gate.set()
    assert set(await asyncio.gather(*loads)) == {"row"}
    assert (origin.most, origin.calls, guard.loading) == (3, CALLERS, 0)


async def test_a_cancelled_task_gives_its_place_back() -> None:
    guard = AioGuard(shoal.OriginGuard(max_loads=1, max_wait="30s"))
    origin = AioOrigin()
    inside, queued, last = [
        asyncio.create_task(guard.load(b"%d" % n, origin.aload)) for n in range(3)
    ]
    while guard._bulkhead.queued < 2:
        await asyncio.sleep(0)
    queued.cancel()
    inside.cancel()
    await asyncio.gather(inside, queued, return_exceptions=True)
    origin.gate.set()
    assert await last == "row"
    assert guard.loading == guard._bulkhead.queued == 0


async def test_a_task_does_not_wait_for_ever() -> None:
    guard = AioGuard(shoal.OriginGuard(max_loads=1, max_wait="20ms"))
    origin = AioOrigin()
    first = asyncio.create_task(guard.load(b"a", origin.aload))
    with pytest.raises(shoal.LoadRefused) as caught:
        await asyncio.gather(guard.load(b"b", origin.aload))
    assert caught.value.reason == "ORIGIN_BUSY"
    origin.gate.set()
    assert await first == "row"
    assert guard._bulkhead.queued == 0


@pytest.mark.parametrize(
    "settings",
    [{"max_loads": 0}, {"max_queued": -1}, {"failures": 0}, {"max_wait": 0}, {"open_for": "soon"}],
)
def test_bounds_that_cannot_work_are_refused(settings: Any) -> None:
    with pytest.raises(shoal.ConfigurationError):
        shoal.OriginGuard(**settings)
