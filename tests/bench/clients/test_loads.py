"""Loads play against a client in memory: they count what they asked and check what came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest
from bench.clients.libraries import Library
from bench.clients.loads import ASYNCIO, BATCH, IN_FLIGHT, LOADS, MANY, WrongAnswer, run


class Held:
    """A cache of one process."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.asked = 0
        self.loses = ""

    def set(self, key: str, value: bytes) -> None:
        if key != self.loses:
            self.values[key] = value

    def get(self, key: str) -> bytes | None:
        self.asked += 1
        return self.values.get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]


class HeldAsync:
    def __init__(self, held: Held) -> None:
        self._held = held

    async def get(self, key: str) -> bytes | None:
        return self._held.get(key)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def library(held: Held) -> Library:
    @contextmanager
    def blocking(_: str) -> Iterator[Held]:
        yield held

    @asynccontextmanager
    async def asynchronous(_: str) -> AsyncIterator[HeldAsync]:
        yield HeldAsync(held)

    return Library("1.0", blocking, asynchronous, near=blocking)


@pytest.mark.parametrize("load", LOADS)
def test_an_operation_is_a_key_that_was_asked_for(library: Library, held: Held, load: str) -> None:
    done = run(library, load, "127.0.0.1:1", seconds=0.02)
    assert done.seconds >= 0.02
    assert done.per_second == pytest.approx(done.operations / done.seconds)
    # Beside these there are the check before and the warming up.
    assert 0 < done.operations < held.asked
    assert done.operations % {BATCH: MANY, ASYNCIO: 1}.get(load, 1) == 0


def test_as_many_gets_are_in_flight_as_the_load_says(library: Library) -> None:
    assert run(library, ASYNCIO, "127.0.0.1:1", seconds=0.0).operations <= IN_FLIGHT


@pytest.mark.parametrize("load", LOADS)
def test_a_wrong_answer_ends_the_run(library: Library, held: Held, load: str) -> None:
    held.loses = "product:00000007"
    with pytest.raises(WrongAnswer):
        run(library, load, "127.0.0.1:1", seconds=0.02)
