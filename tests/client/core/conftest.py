"""Plays an operation by hand: scripted answers in, a transcript out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import pytest

from shoal._core.core import Core
from shoal._core.effects import Call, Parallel, RefreshTopology, Sleep
from shoal._core.settings import checked_settings
from shoal._core.slots import slot_of
from shoal._errors import ShoalError
from shoal.v1 import cache_pb2, topology_pb2

PARTITIONS = 4


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TopOfTheWindow(Random):
    """Draws the largest wait and the first of several choices, so that stories are stable."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Any) -> Any:
        return seq[0]


@dataclass
class Took:
    """An answer that came after some seconds."""

    seconds: float
    answer: Any


@dataclass
class Story:
    lines: list[str] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    result: Any = None
    error: ShoalError | None = None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_core(clock: Clock) -> Callable[..., Core]:
    def make(*, known: bool = True, **settings: Any) -> Core:
        ids = (b"id-%d" % number for number in count(1))
        core = Core(
            checked_settings(["seed:1"], **settings),
            clock=clock,
            rng=TopOfTheWindow(),
            draw_id=lambda: next(ids),
        )
        if known:
            core.learn(
                topology_pb2.Topology(
                    cluster="t",
                    revision=10,
                    complete=True,
                    partition_count=PARTITIONS,
                    nodes=[topology_pb2.Node(id=node, address=f"{node}:1") for node in "abc"],
                    partitions=[
                        topology_pb2.Partition(id=partition, epoch=1, primary=owner)
                        for partition, owner in enumerate("abca")
                    ],
                )
            )
        return core

    return make


@pytest.fixture
def core(make_core: Callable[..., Core]) -> Core:
    return make_core()


@pytest.fixture
def key_of() -> Callable[..., str]:
    """Finds the n-th key of a partition. Partitions 0 and 3 are a's, 1 is b's, 2 is c's."""

    def find(partition: int, nth: int = 0) -> str:
        keys = (f"k{number}" for number in range(10_000))
        found = [key for key in keys if slot_of(key.encode()) * PARTITIONS >> 14 == partition]
        return found[nth]

    return find


class Player:
    """Performs effects from a script, and writes down what was asked for."""

    def __init__(self, clock: Clock, answers: Sequence[Any]) -> None:
        self.clock = clock
        self.left = list(answers)
        self.story = Story()

    def perform(self, effect: Any) -> Any:
        story = self.story
        if isinstance(effect, Call):
            story.lines.append(self.line(effect))
            return self.answer_to(effect)
        if isinstance(effect, Parallel):
            story.lines.append(" | ".join(self.line(call) for call in effect.calls))
            return [self.answer_to(call) for call in effect.calls]
        if isinstance(effect, Sleep):
            story.lines.append(f"sleep {effect.seconds:.3f}")
            self.clock.now += effect.seconds
            return None
        assert isinstance(effect, RefreshTopology)
        story.lines.append("refresh")
        return None

    def line(self, call: Call) -> str:
        routed = "routed" if call.request.routed else "unrouted"
        return f"{call.address} {call.method} {routed} {call.timeout_seconds:.3f}"

    def answer_to(self, call: Call) -> Any:
        # A request is changed for its next attempt: keep what was sent now.
        copy = type(call.request)()
        copy.CopyFrom(call.request)
        self.story.requests.append(copy)
        answer = self.left.pop(0)
        if isinstance(answer, Took):
            self.clock.now += answer.seconds
            return answer.answer
        return answer


@pytest.fixture
def play(clock: Clock) -> Callable[..., Story]:
    """Plays an operation to its end; every scripted answer must have been asked for."""

    def run(operation: Any, answers: Sequence[Any]) -> Story:
        player = Player(clock, answers)
        answer: Any = None
        try:
            while True:
                answer = player.perform(operation.send(answer))
        except StopIteration as done:
            player.story.result = done.value
        except ShoalError as error:
            player.story.error = error
        assert not player.left, f"never asked for: {player.left}"
        return player.story

    return run


@pytest.fixture
def took() -> type[Took]:
    return Took


@pytest.fixture
def hit() -> Callable[[bytes], cache_pb2.GetResponse]:
    return lambda value: cache_pb2.GetResponse(status=cache_pb2.HIT, value=value)
