"""The process that starts, reaps and stops the cluster's processes.

Run by the launcher as ``python -m shoal.cli.up.supervisor [DATA_DIR]``, in a
session of its own. Commands come on stdin, events go to stdout (``protocol.py``).

Invariants:
- When stdin ends, or on SIGTERM, everything is stopped: nodes, then coordinators,
  then etcd, each SIGTERM first and SIGKILL after a grace. A second signal kills at
  once. Then a temporary directory is removed, and the supervisor ends.
- A child that ends is reaped and reported, never started again.
- A child is killed by the kernel when the supervisor dies (Linux).
- One thread, and it never blocks on the launcher.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from shoal.cli.up.directory import RunDirectory, log_of
from shoal.cli.up.failures import DirectoryInUse
from shoal.cli.up.plan import ProcessSpec, StopRank
from shoal.cli.up.protocol import (
    Event,
    Exited,
    Lines,
    NotStarted,
    Opened,
    Refused,
    Started,
    decode_start,
    encode_event,
)

GRACE_SECONDS = {StopRank.NODE: 1.0, StopRank.COORDINATOR: 5.0, StopRank.ETCD: 5.0}
"""How long the processes of one rank may take to stop, before they are killed.

Short for nodes: one that stops hands its partitions over, and here all of them stop,
so that nobody is left to take them.
"""

KILLED_SECONDS_MAX = 5.0
"""How long to wait for what was killed; then the kernel holds it."""

STDIN, STDOUT, STDERR = 0, 1, 2
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_READ_BYTES = 65_536


class Child:
    """A process that was started; ``process.returncode`` is None while it lives."""

    def __init__(self, spec: ProcessSpec, process: subprocess.Popen[bytes]) -> None:
        self.spec = spec
        self.process = process

    @property
    def lives(self) -> bool:
        return self.process.returncode is None

    def signal(self, signum: signal.Signals) -> None:
        """Signal the child's whole process group. A group that is gone is no error."""
        if self.lives:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)


class Supervisor:
    """Owns the children. ``run`` returns when all are gone."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._children: list[Child] = []
        self._commands = Lines()
        self._stop_signals = 0
        self._is_stopping = False
        self._launcher_lives = True
        self._selector = selectors.DefaultSelector()
        self._prepare_child = _death_signal_setter()

    def run(self) -> None:
        self._listen_for_signals()
        self._selector.register(STDIN, selectors.EVENT_READ)
        os.set_blocking(STDOUT, False)
        self._report(Opened(str(self._directory.path)))
        while self._launcher_lives and not self._stop_signals:
            self._wait(None)
        self._stop_all()
        self._directory.remove_if_temporary()

    def _wait(self, timeout_seconds: float | None) -> None:
        """Wait for a command, a signal, or a child's end; handle what came."""
        for key, _ in self._selector.select(timeout_seconds):
            received = os.read(key.fd, _READ_BYTES)
            if key.fd != STDIN:
                continue  # only woken: the handler counted it
            if received:
                self._obey(self._commands.feed(received))
            else:
                self._launcher_lives = False
                self._selector.unregister(STDIN)
        self._reap()

    def _obey(self, commands: Sequence[bytes]) -> None:
        if not self._is_stopping:
            for line in commands:
                self._start(decode_start(line))

    def _start(self, spec: ProcessSpec) -> None:
        try:
            with log_of(self._directory.path, spec.name).open("ab") as log:
                process = subprocess.Popen(  # noqa: S603
                    spec.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,
                    preexec_fn=self._prepare_child,  # noqa: PLW1509 (one thread)
                    env=_environment(),
                )
        except (OSError, subprocess.SubprocessError) as error:
            self._report(NotStarted(spec.name, str(error)))
            return
        self._children.append(Child(spec, process))
        self._report(Started(spec.name, process.pid))

    def _reap(self) -> None:
        for child in self._children:
            if child.lives and (code := child.process.poll()) is not None:
                self._report(Exited(child.spec.name, child.process.pid, code))

    def _stop_all(self) -> None:
        self._is_stopping = True
        patience = self._stop_signals
        for rank in StopRank:
            children = [child for child in self._children if child.spec.rank == rank]
            self._send(signal.SIGTERM, children)
            self._wait_for_end(
                children, GRACE_SECONDS[rank], is_hurried=lambda: self._stop_signals > patience
            )
            self._send(signal.SIGKILL, children)
            self._wait_for_end(children, KILLED_SECONDS_MAX, is_hurried=lambda: False)

    def _send(self, signum: signal.Signals, children: Sequence[Child]) -> None:
        for child in children:
            child.signal(signum)

    def _wait_for_end(
        self, children: Sequence[Child], seconds_max: float, is_hurried: Callable[[], bool]
    ) -> None:
        deadline = time.monotonic() + seconds_max
        while any(child.lives for child in children) and not is_hurried():
            remaining_seconds = deadline - time.monotonic()
            if remaining_seconds <= 0:
                return
            self._wait(remaining_seconds)

    def _report(self, event: Event) -> None:
        """Tell the launcher, if it still listens."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(STDOUT, encode_event(event))

    def _listen_for_signals(self) -> None:
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._on_stop_signal)

    def _on_stop_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1


def _death_signal_setter() -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask to die with its parent.

    The C library is loaded here, before any fork.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    supervisor_pid = os.getpid()

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor_pid:  # it died before the call
            os._exit(1)

    return die_with_parent


def _environment() -> dict[str, str]:
    """Without what commands of the same shell are told of another cluster's certificates."""
    return {name: it for name, it in os.environ.items() if not name.startswith("SHOAL_TLS_")}


def main(arguments: Sequence[str]) -> None:
    try:
        directory = RunDirectory.open(Path(arguments[0]) if arguments else None)
    except (DirectoryInUse, OSError) as error:
        os.write(STDOUT, encode_event(Refused(str(error))))
        return
    # From here on nothing of the launcher's is held but the two pipes.
    log = os.open(log_of(directory.path, "supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, STDERR)
    os.close(log)
    Supervisor(directory).run()


if __name__ == "__main__":
    main(sys.argv[1:])
