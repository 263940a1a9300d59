"""The launcher's end of the supervisor: start processes, and know which of them live.

Invariant: leaving the context stops everything and waits until it is gone, within
a bound. Nothing here starts a process itself but the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import MappingProxyType, TracebackType
from typing import Self, assert_never

from shoal.cli.up.failures import SupervisorFailed
from shoal.cli.up.interrupts import Interrupts
from shoal.cli.up.plan import ProcessSpec
from shoal.cli.up.protocol import (
    Event,
    Exited,
    Lines,
    NotStarted,
    Opened,
    Refused,
    Started,
    decode_event,
    encode_start,
)

STOP_SECONDS_MAX = 45.0
"""Longer than the supervisor's graces together."""

REMOVE_SECONDS_MAX = 5.0

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Launching:
    """The supervisor was told to start it."""


@dataclass(frozen=True, slots=True)
class Running:
    pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """``how`` is a few words for people."""

    pid: int | None
    how: str


ProcessState = Launching | Running | Ended


def describe_exit(code: int) -> str:
    """``code`` as subprocess gives it."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class Supervised:
    """The processes of one cluster, by name."""

    def __init__(self, data_dir: Path | None, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._data_dir = data_dir
        self._states: dict[str, ProcessState] = {}
        self._lines = Lines()
        self._directory: Path | None = None
        self._selector = selectors.DefaultSelector()

    @property
    def directory(self) -> Path:
        assert self._directory is not None, "the supervisor has opened it before it is asked for"
        return self._directory

    @property
    def states(self) -> Mapping[str, ProcessState]:
        return MappingProxyType(self._states)

    @property
    def pids(self) -> dict[str, int]:
        """Of those that run."""
        return {
            name: state.pid for name, state in self._states.items() if isinstance(state, Running)
        }

    def __enter__(self) -> Self:
        arguments = [] if self._data_dir is None else [str(self._data_dir)]
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "shoal.cli.up.supervisor", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Ctrl-C and the end of the terminal reach the launcher alone.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._events = self._process.stdin, self._process.stdout
        self._interrupts.on_repeat = self._hurry
        self._selector.register(self._events, selectors.EVENT_READ)
        self._selector.register(self._interrupts.fd, selectors.EVENT_READ)
        try:
            while self._directory is None:
                self.wait(None)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def start(self, spec: ProcessSpec) -> None:
        """Have a process started; ``states`` tells what became of it."""
        assert not isinstance(self._states.get(spec.name), Launching | Running), spec.name
        self._states[spec.name] = Launching()
        try:
            self._commands.write(encode_start(spec))
        except BrokenPipeError as error:
            raise self._gone() from error

    def wait(self, timeout_seconds: float | None) -> None:
        """Wait until something happens to a process, or the time is over.

        Raises Interrupted after a signal, SupervisorFailed when the supervisor is gone.
        """
        ready = self._selector.select(timeout_seconds)
        self._interrupts.raise_if_any()
        if any(key.fileobj is self._events for key, _ in ready):
            received = os.read(self._events.fileno(), _READ_BYTES)
            if not received:
                raise self._gone()
            for line in self._lines.feed(received):
                self._take(decode_event(line))

    def sleep(self, seconds: float) -> None:
        """Wait all of the time; what happens meanwhile is taken in. Raises as ``wait``."""
        deadline = monotonic() + seconds
        while (remaining_seconds := deadline - monotonic()) > 0:
            self.wait(remaining_seconds)

    def _take(self, event: Event) -> None:
        match event:
            case Opened(directory):
                self._directory = Path(directory)
            case Refused(reason):
                raise SupervisorFailed(reason)
            case Started(name, pid):
                self._states[name] = Running(pid)
            case NotStarted(name, reason):
                self._states[name] = Ended(None, f"could not be started: {reason}")
            case Exited(name, pid, code):
                self._states[name] = Ended(pid, describe_exit(code))
            case _:
                assert_never(event)

    def _gone(self) -> SupervisorFailed:
        return SupervisorFailed("the supervisor of the cluster's processes is gone, and they too")

    def _hurry(self) -> None:
        """Have everything killed at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def _stop(self) -> None:
        """Close the pipe and wait for the supervisor, which stops everything first."""
        with contextlib.suppress(BrokenPipeError):
            self._commands.close()
        try:
            # Read to the end, so that the supervisor's last words find room.
            deadline = monotonic() + STOP_SECONDS_MAX
            self._selector.unregister(self._interrupts.fd)
            while (remaining_seconds := deadline - monotonic()) > 0:
                self._selector.select(remaining_seconds)
                if not os.read(self._events.fileno(), _READ_BYTES):
                    break
            self._process.wait(max(1.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._events.close()
            self._selector.close()
        if self._data_dir is None and self._directory is not None:
            _remove(self._directory)


def _remove(directory: Path) -> None:
    """Remove what a supervisor that was killed left; else it is gone already.

    The kernel may still be ending processes that write there.
    """
    deadline = monotonic() + REMOVE_SECONDS_MAX
    while directory.exists() and monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
