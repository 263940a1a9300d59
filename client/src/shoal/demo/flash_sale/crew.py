"""The run's processes: the workers and the updater, started, listened to, and stopped.

They are spawned, never forked: a gRPC client does not survive a fork. Each has a pipe of
its own; closing it is how the run tells a process to stop, and how a process notices
that the run was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

from shoal.demo.failures import ProcessFailed
from shoal.demo.flash_sale.child import PIPE_CLOSED, Pipe
from shoal.demo.flash_sale.messages import Begin, GaveUp, Message, Ready, UpdaterTick, WorkerTick

_READY_SECONDS = 60.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    process: SpawnProcess
    pipe: Pipe


class Crew:
    def __init__(self) -> None:
        self._context = get_context("spawn")
        self._members: list[Member] = []
        self._at_work: list[Member] = []

    def spawn(self, name: str, main: Callable[[Any, Pipe], None], plan: object) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=main, args=(plan, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        member = Member(name, process, ours)
        self._members.append(member)
        self._at_work.append(member)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        waiting = {member.name for member in self._members}
        while waiting:
            received = self.receive(max(0.0, deadline - time.monotonic()))
            waiting -= {name for name, message in received if isinstance(message, Ready)}
            if not received and time.monotonic() >= deadline:
                raise ProcessFailed(f"Not ready after {_READY_SECONDS:.0f} s: {sorted(waiting)}.")

    def begin(self, begin_ns: int) -> None:
        for member in self._members:
            member.pipe.send(Begin(begin_ns))

    @property
    def is_done(self) -> bool:
        """Every process has sent its last tick."""
        return not self._at_work

    def receive(self, timeout_seconds: float) -> Sequence[tuple[str, Message]]:
        """One message of each process that has one. Raises ``ProcessFailed``."""
        ready = wait([member.pipe for member in self._at_work], timeout_seconds)
        return [
            (member.name, self._receive_from(member))
            for member in list(self._at_work)
            if member.pipe in ready
        ]

    def stop(self) -> None:
        """Ends all processes, at the latest by force. Safe to call at any point."""
        for member in self._members:
            member.pipe.close()
        deadline = time.monotonic() + _STOP_SECONDS
        for member in self._members:
            member.process.join(max(0.0, deadline - time.monotonic()))
            if member.process.is_alive():
                member.process.kill()
                member.process.join()

    def _receive_from(self, member: Member) -> Message:
        try:
            message: Message = member.pipe.recv()
        except PIPE_CLOSED:
            member.process.join(_STOP_SECONDS)
            raise ProcessFailed(
                f"The {member.name} ended early (exit code {member.process.exitcode})."
            ) from None
        match message:
            case GaveUp(reason):
                raise ProcessFailed(f"The {member.name} gave up: {reason}")
            case WorkerTick(last=True) | UpdaterTick(last=True):
                self._at_work.remove(member)
            case _:
                pass
        return message
