"""What signals ask of a process: the first stops it in order, the second at once."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

_log = structlog.get_logger(__name__)
_SIGNALLED = 128


def stop_on_signals() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; a second one ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _signalled, number, stop)
    return stop


def _signalled(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        _log.warning(f"{number.name} again: exiting at once")
        os._exit(_SIGNALLED + number)
    _log.info(f"{number.name}: stopping")
    stop.set()
