"""What a run of TLC found, read from its output."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATES = re.compile(r"^([\d,]+) states generated, ([\d,]+) distinct states found", re.MULTILINE)
_VIOLATED = re.compile(r"^Error: Invariant (\w+) is violated", re.MULTILINE)
_STEP = re.compile(r"^State (\d+):", re.MULTILINE)
_HELD = "Model checking completed. No error has been found."


class Unreadable(Exception):
    """TLC said neither that the invariants hold nor which one does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``violated`` is the invariant that broke, after ``steps`` states; None if all hold."""

    distinct_states: int
    violated: str | None
    steps: int

    def __str__(self) -> str:
        if self.violated is None:
            return f"holds in all {self.distinct_states:,} distinct states"
        return f"{self.violated} breaks after {self.steps - 1} steps"


def read_outcome(output: str) -> Outcome:
    """Raises Unreadable with the end of the output."""
    counted = _STATES.search(output)
    violated = _VIOLATED.search(output)
    if counted is None or (violated is None and _HELD not in output):
        raise Unreadable(f"TLC did not finish: {output[-2000:]}")
    steps = [int(step) for step in _STEP.findall(output)]
    return Outcome(
        distinct_states=int(counted.group(2).replace(",", "")),
        violated=None if violated is None else violated.group(1),
        steps=max(steps, default=0),
    )
