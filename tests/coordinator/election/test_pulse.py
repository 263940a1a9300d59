"""A stuck event loop is noticed."""

from __future__ import annotations

import asyncio

from shoal_coordinator.election.pulse import Pulse


async def test_a_loop_that_beats_is_felt_and_one_that_stopped_is_not() -> None:
    now = 100.0
    pulse = Pulse(lambda: now, silence_seconds_max=3.0)
    now = 102.9
    assert pulse.is_felt()
    now = 103.1
    assert not pulse.is_felt()
    beating = asyncio.create_task(pulse.beat())
    await asyncio.sleep(0)
    assert pulse.is_felt()
    beating.cancel()
