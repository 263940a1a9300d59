"""Tasks that share one load."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import shoal
from shoal._toolkit.aio_flights import AioFlights

TASKS = 16


class Gate:
    """A load that counts its calls and waits until it is opened."""

    def __init__(self, outcome: Any = "value") -> None:
        self.calls = 0
        self.cancelled = 0
        self.open = asyncio.Event()
        self.outcome = outcome

    async def __call__(self) -> Any:
        self.calls += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


async def waiting(flights: AioFlights[str], gate: Gate) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(flights.do(b"k", gate)) for _ in range(TASKS)]
    while flights.waiting < TASKS or not gate.calls:
        await asyncio.sleep(0)
    return tasks


async def test_one_load_answers_all() -> None:
    flights: AioFlights[str] = AioFlights()
    gate = Gate()
    tasks = await waiting(flights, gate)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [("value", True)] + [("value", False)] * (TASKS - 1)
    assert gate.calls == 1
    assert flights.waiting == 0
    assert await flights.do(b"k", gate) == ("value", True)
    assert gate.calls == 2


async def test_its_exception_goes_to_all() -> None:
    flights: AioFlights[str] = AioFlights()
    error = OSError("origin is down")
    gate = Gate(error)
    tasks = await waiting(flights, gate)
    gate.open.set()
    raised = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(one is error for one in raised)


async def test_a_cancelled_waiter_leaves_the_load_to_the_others() -> None:
    flights: AioFlights[str] = AioFlights()
    gate = Gate()
    tasks = await waiting(flights, gate)
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.gather(*tasks[:-1], return_exceptions=True)
    assert gate.cancelled == 0
    gate.open.set()
    assert await tasks[-1] == ("value", False)
    assert gate.calls == 1


async def test_the_last_who_is_cancelled_cancels_the_load() -> None:
    flights: AioFlights[str] = AioFlights()
    gate = Gate()
    tasks = await waiting(flights, gate)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    while not gate.cancelled:
        await asyncio.sleep(0)
    gate.open.set()
    assert await flights.do(b"k", gate) == ("value", True)


async def test_a_load_that_cancels_itself_is_succeeded() -> None:
    flights: AioFlights[str] = AioFlights()
    gate = Gate(asyncio.CancelledError())
    tasks = await waiting(flights, gate)
    gate.open.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    assert gate.calls == TASKS


async def test_after_a_change_nobody_joins_the_load_before_it() -> None:
    flights: AioFlights[str] = AioFlights()
    old, new = Gate("old"), Gate("new")
    tasks = await waiting(flights, old)
    flights.detach(b"k")
    new.open.set()
    assert await flights.do(b"k", new) == ("new", True)
    old.open.set()
    assert (await tasks[0])[0] == "old"


async def test_a_loader_that_asks_for_its_own_key_is_told() -> None:
    flights: AioFlights[str] = AioFlights()

    async def loader() -> str:
        return (await flights.do(b"k", loader))[0]

    with pytest.raises(shoal.ClientMisuse, match="wait for itself"):
        await flights.do(b"k", loader)


async def test_more_than_may_wait_are_refused() -> None:
    flights: AioFlights[str] = AioFlights(max_waiting=1)
    gate = Gate()
    first = asyncio.create_task(flights.do(b"k", gate))
    while not gate.calls:
        await asyncio.sleep(0)
    with pytest.raises(shoal.LoadRefused):
        await flights.do(b"other", gate)
    gate.open.set()
    await first
