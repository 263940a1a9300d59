"""Threads that share one load."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import shoal
from shoal._toolkit.blocking_flights import BlockingFlights

THREADS = 16


class Gate:
    """A load that counts its calls and waits until it is opened."""

    def __init__(self, outcome: Any = "value") -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.open = threading.Event()
        self.outcome = outcome

    def __call__(self) -> Any:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(30)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def led_and_joined(flights, gate, eventually):
    """One caller that leads, and the others once they wait."""
    pool = ThreadPoolExecutor(THREADS)
    first = pool.submit(flights.do, b"k", gate)
    assert gate.entered.wait(10)
    others = [pool.submit(flights.do, b"k", gate) for _ in range(THREADS - 1)]
    eventually(lambda: flights.waiting == THREADS, what="all to wait")
    pool.shutdown(wait=False)
    return first, others


def test_one_load_answers_all(eventually) -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    gate = Gate()
    first, others = led_and_joined(flights, gate, eventually)
    gate.open.set()
    assert first.result(10) == ("value", True)
    assert [other.result(10) for other in others] == [("value", False)] * (THREADS - 1)
    assert gate.calls == 1
    assert flights.waiting == 0
    assert flights.do(b"k", gate) == ("value", True)


def test_its_exception_goes_to_all(eventually) -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    error = OSError("origin is down")
    gate = Gate(error)
    first, others = led_and_joined(flights, gate, eventually)
    gate.open.set()
    assert all(future.exception(10) is error for future in (first, *others))
    assert gate.calls == 1
    assert flights.waiting == 0


def test_an_interrupted_leader_is_succeeded(eventually) -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    gate = Gate(KeyboardInterrupt())
    first, others = led_and_joined(flights, gate, eventually)
    gate.open.set()
    # What is raised in a thread is its own: each of the others led once, and was
    # interrupted in its turn.
    raised = [future.exception(10) for future in (first, *others)]
    assert all(isinstance(error, KeyboardInterrupt) for error in raised)
    assert gate.calls == THREADS
    assert flights.do(b"k", lambda: "value") == ("value", True)


def test_keys_do_not_wait_for_each_other() -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    assert flights.do(b"a", lambda: flights.do(b"b", lambda: "inner")[0]) == ("inner", True)


def test_a_wait_has_an_end_and_disturbs_nobody(eventually) -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.do, b"k", gate)
        assert gate.entered.wait(10)
        with pytest.raises(shoal.DeadlineExceeded):
            flights.do(b"k", gate, timeout_seconds=0.01)
        gate.open.set()
        assert first.result(10) == ("value", True)


def test_after_a_change_nobody_joins_the_load_before_it() -> None:
    flights: BlockingFlights[str] = BlockingFlights()
    old = Gate("old")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.do, b"k", old)
        assert old.entered.wait(10)
        flights.detach(b"k")
        assert flights.do(b"k", lambda: "new") == ("new", True)
        old.open.set()
        assert first.result(10) == ("old", True)


def test_more_than_may_wait_are_refused() -> None:
    flights: BlockingFlights[str] = BlockingFlights(max_waiting=1)
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.do, b"k", gate)
        assert gate.entered.wait(10)
        with pytest.raises(shoal.LoadRefused):
            flights.do(b"other", lambda: "value")
        gate.open.set()
        first.result(10)
