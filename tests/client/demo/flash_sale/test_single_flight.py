from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shoal.demo.flash_sale.cache_aside.single_flight import SingleFlight

CALLERS = 8


def test_callers_that_come_while_one_flies_share_its_result(counting_lock: Any) -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    flights._lock = counting_lock
    calls: list[int] = []
    landed = threading.Event()

    def call() -> int:
        calls.append(1)
        assert landed.wait(10)
        return 42

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [pool.submit(flights.do, "key", call) for _ in range(CALLERS)]
        counting_lock.wait_until_passed(CALLERS)  # each has found or made the flight
        landed.set()
        found = [answer.result(10) for answer in answers]
    assert calls == [1]
    assert sorted(found) == [(42, False)] * (CALLERS - 1) + [(42, True)]


def test_other_keys_fly_by_themselves() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    value, led = flights.do("a", lambda: flights.do("b", lambda: "inner")[0])
    assert (value, led) == ("inner", True)


def test_a_result_is_not_kept() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    assert flights.do("key", lambda: 1) == (1, True)
    assert flights.do("key", lambda: 2) == (2, True)


def test_an_error_reaches_the_caller_and_is_not_kept() -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    def fail() -> int:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        flights.do("key", fail)
    assert flights.do("key", lambda: 3) == (3, True)
