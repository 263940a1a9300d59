"""What launcher and supervisor say to each other: one JSON object a line.

Launcher to supervisor: ``Start``. The end of the pipe says: stop everything.
Supervisor to launcher: ``Opened`` or ``Refused`` first, then a ``Started`` or
``NotStarted`` for each ``Start``, and an ``Exited`` for each that started. The end
of the pipe says that the supervisor is gone.

A line is shorter than PIPE_BUF in practice, so that a write is whole or not at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from shoal.cli.up.plan import ProcessSpec, StopRank


@dataclass(frozen=True, slots=True)
class Opened:
    """The directory that holds etcd's data and ``logs/``."""

    directory: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The directory cannot be used; ``reason`` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """``code`` as subprocess gives it: negative is the signal that killed it."""

    name: str
    pid: int
    code: int


Event = Opened | Refused | Started | NotStarted | Exited

_EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Opened, Refused, Started, NotStarted, Exited)
}


def encode_event(event: Event) -> bytes:
    return json.dumps({"event": type(event).__name__, **asdict(event)}).encode() + b"\n"


def decode_event(line: bytes) -> Event:
    fields: dict[str, Any] = json.loads(line)
    return _EVENTS[fields.pop("event")](**fields)


def encode_start(spec: ProcessSpec) -> bytes:
    return json.dumps(asdict(spec)).encode() + b"\n"


def decode_start(line: bytes) -> ProcessSpec:
    fields: dict[str, Any] = json.loads(line)
    return ProcessSpec(
        name=fields["name"], rank=StopRank(fields["rank"]), argv=tuple(fields["argv"])
    )


class Lines:
    """Cuts what a pipe delivers into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [line for line in lines if line]
