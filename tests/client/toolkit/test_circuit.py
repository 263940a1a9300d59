"""The circuit as a story, by a clock that the test holds."""

from __future__ import annotations

import asyncio

import pytest

import shoal
from shoal._toolkit.circuit import Circuit, Passage

ERROR = OSError("origin is down")


@pytest.fixture
def circuit() -> Circuit:
    return Circuit(
        failures=3, open_seconds=10, counts=lambda error: not isinstance(error, LookupError)
    )


def fail(circuit: Circuit, now: float, times: int = 1, error: Exception = ERROR) -> None:
    for _ in range(times):
        circuit.leave(circuit.enter(now), error, now)


def refused(circuit: Circuit, now: float) -> None:
    with pytest.raises(shoal.LoadRefused) as caught:
        circuit.enter(now)
    assert caught.value.reason == "CIRCUIT_OPEN"
    with pytest.raises(shoal.LoadRefused):
        circuit.check(now)


def test_failures_in_a_row_open_it_and_one_success_begins_the_row_anew(circuit) -> None:
    fail(circuit, 0, 2)
    circuit.leave(circuit.enter(0), None, 0)
    fail(circuit, 0, 2)
    assert not circuit.is_open
    fail(circuit, 0)
    assert circuit.is_open
    refused(circuit, 9.9)


def test_half_open_lets_one_through_at_a_time(circuit) -> None:
    fail(circuit, 0, 3)
    circuit.check(10)
    probe = circuit.enter(10)
    assert probe[0] is Passage.PROBE
    for _ in range(50):
        refused(circuit, 10)
    circuit.leave(probe, None, 11)
    assert not circuit.is_open
    assert [circuit.enter(11)[0] for _ in range(50)] == [Passage.ORDINARY] * 50


def test_a_probe_that_fails_opens_it_for_as_long_again(circuit) -> None:
    fail(circuit, 0, 3)
    circuit.leave(circuit.enter(10), ERROR, 12)
    refused(circuit, 21.9)
    assert circuit.enter(22)[0] is Passage.PROBE


def test_a_cancelled_probe_lets_the_next_one_through(circuit) -> None:
    fail(circuit, 0, 3)
    circuit.leave(circuit.enter(10), asyncio.CancelledError(), 10)
    circuit.leave(circuit.enter(10), KeyboardInterrupt(), 10)
    circuit.leave(circuit.enter(10), None, 10)
    assert not circuit.is_open


def test_cancellations_are_no_failures(circuit) -> None:
    for _ in range(50):
        circuit.leave(circuit.enter(0), asyncio.CancelledError(), 0)
    assert not circuit.is_open


def test_what_the_application_does_not_count_is_none(circuit) -> None:
    fail(circuit, 0, 2)
    fail(circuit, 0, 50, KeyError("no such product"))
    fail(circuit, 0, 2)
    assert not circuit.is_open


def test_loads_from_before_it_opened_say_nothing(circuit) -> None:
    early = [circuit.enter(0) for _ in range(4)]
    fail(circuit, 1, 3)
    circuit.leave(early[0], None, 2)
    refused(circuit, 5)
    circuit.leave(early[1], ERROR, 9)
    probe = circuit.enter(11)
    circuit.leave(early[2], None, 11)
    refused(circuit, 11)
    circuit.leave(early[3], ERROR, 11)
    circuit.leave(probe, None, 12)
    assert not circuit.is_open
