"""What clients asked and what they were told: one value for each operation.

Times are CLOCK_MONOTONIC of the one machine that all clients run on, so that they compare.
A history is a list of operations in no order; on disk, one JSON object a line.

Non-goal: judging (``checks``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

IN_SYNC = "in_sync"
PRIMARY = "primary"


class Kind(StrEnum):
    READ = "read"
    WRITE = "write"
    CAS = "cas"
    DELETE = "delete"
    INCR = "incr"
    """By one."""


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "fail"
    """Certainly not applied."""
    UNKNOWN = "info"
    """Applied at some time after it was asked for, or never."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Values are unique: no two writes of a key store the same one.

    ``answered_ns`` is None exactly where the outcome is unknown.
    """

    client: int
    kind: Kind
    key: str
    invoked_ns: int
    answered_ns: int | None
    outcome: Outcome
    value: str | None = None
    """What a write or compare-and-set would store."""
    expected: str | None = None
    """What a compare-and-set wants to find; None: nothing."""
    result: str | int | bool | None = None
    """A read's value, None for a miss; an increment's answer; whether a CAS applied."""
    ack: str = IN_SYNC
    version: tuple[int, int] | None = None
    """(epoch, seq) that came with the answer."""
    why: str = ""
    """The reason of an error."""

    def __post_init__(self) -> None:
        assert (self.answered_ns is None) == (self.outcome is Outcome.UNKNOWN)
        assert self.answered_ns is None or self.answered_ns >= self.invoked_ns

    def __str__(self) -> str:
        asked = {"value": self.value, "expected": self.expected}
        words = [f"{name}={told}" for name, told in asked.items() if told is not None]
        until = "?" if self.answered_ns is None else f"{self.answered_ns / 1e6:.3f}"
        return (
            f"{self.kind}({', '.join(words)}) by {self.client} -> {self.outcome} {self.result} "
            f"{self.why} in [{self.invoked_ns / 1e6:.3f}, {until}] ms".replace("  ", " ")
        )

    @property
    def is_ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def ended_ns(self) -> int:
        """When it was answered. Only for operations that were."""
        assert self.answered_ns is not None
        return self.answered_ns


History = list[Operation]


def write_history(path: Path, history: Iterable[Operation]) -> None:
    with path.open("w") as file:
        for operation in history:
            told = asdict(operation).items()
            fields = {name: value for name, value in told if value is not None and value != ""}
            file.write(json.dumps(fields, separators=(",", ":")) + "\n")


def read_history(path: Path) -> History:
    return [_operation(json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def _operation(fields: dict[str, Any]) -> Operation:
    version = fields.get("version")
    return Operation(
        **{
            "answered_ns": None,
            **fields,
            "kind": Kind(fields["kind"]),
            "outcome": Outcome(fields["outcome"]),
            "version": None if version is None else (version[0], version[1]),
        }
    )


def by_key(history: Iterable[Operation]) -> dict[str, History]:
    """Each key's operations, in the order in which they were asked for."""
    keys: defaultdict[str, History] = defaultdict(list)
    for operation in sorted(history, key=lambda one: one.invoked_ns):
        keys[operation.key].append(operation)
    return dict(keys)
