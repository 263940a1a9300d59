"""Signals as something to wait for, beside other things, instead of an exception anywhere.

A signal that arrives is remembered; ``Supervised.wait`` looks and raises
``Interrupted`` at a place where everything is in order.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from shoal.cli.exit_codes import ExitCode

_READ_BYTES = 4_096


class Interrupted(Exception):
    """The launcher was asked to stop."""

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(f"stopped by {signum.name}")
        self.signum = signum

    @property
    def exit_code(self) -> ExitCode:
        """130 after Ctrl-C; being told to end is no failure."""
        return ExitCode.INTERRUPTED if self.signum is signal.SIGINT else ExitCode.DONE


class Interrupts:
    """Catches SIGINT, SIGTERM and SIGHUP while entered. ``fd`` is readable when one came.

    A SIGHUP that was ignored at the start (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self._received: list[signal.Signals] = []
        self._replaced: dict[signal.Signals, Any] = {}
        self.fd, self._wake = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._wake, False)
        self.on_repeat: Callable[[], None] = lambda: None
        """Called, in the handler, for each signal after the first."""

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum is signal.SIGHUP and signal.getsignal(signum) is signal.SIG_IGN:
                continue
            self._replaced[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for signum, handler in self._replaced.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._wake)

    def raise_if_any(self) -> None:
        """Raise Interrupted if a signal came, now or before."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, _READ_BYTES)
        if self._received:
            raise Interrupted(self._received[0])

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._received:
            self.on_repeat()
        self._received.append(signal.Signals(signum))
