from __future__ import annotations

import operator

import pytest

from shoal.demo.failures import ProcessFailed
from shoal.demo.flash_sale.crew import Crew
from shoal.demo.flash_sale.origin import OriginAddress
from shoal.demo.flash_sale.settings import Mode, Settings
from shoal.demo.flash_sale.worker import WorkerPlan, worker_main


def test_a_process_that_ends_early_is_named() -> None:
    crew = Crew()
    crew.spawn("worker 3", operator.eq, None)  # any function that ends at once
    try:
        with pytest.raises(ProcessFailed, match=r"The worker 3 ended early \(exit code 0\)"):
            crew.wait_until_ready()
    finally:
        crew.stop()


def test_a_process_that_gives_up_says_why() -> None:
    settings = Settings(mode=Mode.NAIVE)
    origin = OriginAddress("sqlite:/nonexistent/directory/shop.db", "unused")
    crew = Crew()
    crew.spawn("worker 0", worker_main, WorkerPlan(0, settings, "shoal://127.0.0.1:1", origin))
    try:
        with pytest.raises(ProcessFailed, match="worker 0 gave up: SQLite refused"):
            crew.wait_until_ready()
    finally:
        crew.stop()
