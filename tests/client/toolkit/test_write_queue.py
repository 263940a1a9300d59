"""What is owed: the last value of each key, one write of a key at a time, nothing forgotten."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import shoal
from shoal._toolkit.regions.write_queue import Taken, WriteQueue

MAX_QUEUED = 3
DELAY_SECONDS = 10
KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])


class QueueMachine(RuleBasedStateMachine):
    """Against what was put last and what the origin has."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WriteQueue(max_queued=MAX_QUEUED, delay_seconds=DELAY_SECONDS)
        self.random = Random(1)
        self.now = 0.0
        self.last: dict[bytes, int] = {}
        self.origin: dict[bytes, int] = {}
        self.under_way: list[Taken] = []
        self.values = 0

    def owed(self) -> set[bytes]:
        return {key for key, value in self.last.items() if self.origin.get(key) != value}

    @rule(key=KEYS)
    def put(self, key: bytes) -> None:
        self.values += 1
        known = self.queue.pending(key) is not None
        if not known and len(self.queue) == MAX_QUEUED:
            with pytest.raises(shoal.ResourceExhausted):
                self.queue.put(key, key, self.values, self.now)
            return
        self.queue.put(key, key, self.values, self.now)
        self.last[key] = self.values

    @rule(seconds=st.integers(0, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def hurry(self) -> None:
        self.queue.hurry(self.now)

    @rule()
    def take(self) -> None:
        wait_seconds = self.queue.wait_seconds(self.now)
        taken = self.queue.take(self.now)
        assert (taken is not None) == (wait_seconds == 0.0)
        if taken is not None:
            assert taken.key not in [other.key for other in self.under_way]
            assert taken.value == self.last[taken.key]
            self.under_way.append(taken)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def done(self, data: Any) -> None:
        taken = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(taken)
        self.origin[taken.key] = taken.value
        self.queue.done(taken, self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def failed(self, data: Any) -> None:
        taken = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(taken)
        self.queue.failed(taken, self.now, self.random)
        assert (self.queue.wait_seconds(self.now) or 0) <= 10

    @invariant()
    def what_the_origin_lacks_is_owed(self) -> None:
        assert len(self.queue) <= MAX_QUEUED
        for key in self.owed():
            owed = self.queue.pending(key)
            assert owed is not None
            assert owed.value == self.last[key]

    def teardown(self) -> None:
        """In the end everything that was taken reaches the origin."""
        for taken in self.under_way:
            self.origin[taken.key] = taken.value
            self.queue.done(taken, self.now)
        self.queue.hurry(self.now)
        self.now += 100
        while (taken := self.queue.take(self.now)) is not None:
            self.origin[taken.key] = taken.value
            self.queue.done(taken, self.now)
        assert self.origin == self.last
        assert len(self.queue) == 0
        assert self.queue.wait_seconds(self.now) is None


TestQueue = QueueMachine.TestCase


def test_a_key_that_is_written_all_the_time_is_written_on() -> None:
    queue = WriteQueue(max_queued=1, delay_seconds=DELAY_SECONDS)
    for second in range(DELAY_SECONDS + 1):
        queue.put(b"k", 1, second, second)
    taken = queue.take(DELAY_SECONDS)
    assert taken is not None
    assert taken.value == DELAY_SECONDS
