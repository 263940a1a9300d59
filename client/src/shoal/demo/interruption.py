"""How a demo is stopped: Ctrl-C and SIGTERM alike; clearing up is never interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does; both signals are as before afterwards.

    A SIGINT that was ignored from the start stays ignored: so it is for jobs in the
    background of a script.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on all is being stopped; to interrupt that would leave something."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
