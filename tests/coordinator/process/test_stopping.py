"""Signals to a real process: one stops it in order, two at once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from shoal_coordinator.process.stopping import stop_on_signals

async def main():
    stop = stop_on_signals()
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    if sys.argv[1] == "hangs":
        await asyncio.Event().wait()

asyncio.run(main())
print("ended in order", flush=True)
"""


def _next(process: subprocess.Popen[str], line: str) -> None:
    """Wait for a line that it prints, whatever it logs before."""
    assert process.stdout is not None
    while (told := process.stdout.readline()).strip() != line:
        assert told, f"it ended before it said {line!r}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_what_the_first_does_not(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, "hangs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _next(process, "ready")
        process.send_signal(number)
        _next(process, "stopping")
        process.send_signal(number)
        assert process.wait(30) == 128 + number


@pytest.mark.timeout(60)
def test_one_signal_is_enough_where_it_can_be_done() -> None:
    command = [sys.executable, "-c", PROGRAM, "ends"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _next(process, "ready")
        process.send_signal(signal.SIGTERM)
        _next(process, "ended in order")
        assert process.wait(30) == 0
