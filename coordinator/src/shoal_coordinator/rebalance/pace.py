"""How fast a rebalance goes, and for how long it will: pure, from what was measured.

Bytes left are what the missing copies hold where they come from, counted whole until a copy
is in sync, so that the time left is rather told too long than too short. Where nothing was
measured, or nothing may move, it is not known, and that is what is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.rebalance.outlook import Outlook
from shoal_coordinator.survey.figures import Survey

_WINDOW_SECONDS = 60.0
_MEASURED_SECONDS_MIN = 3.0


@dataclass(frozen=True, slots=True)
class Done:
    """What had been done at a time, since some beginning."""

    at: float
    snapshot_bytes: int
    copies: int
    hand_overs: int


@dataclass(frozen=True, slots=True)
class Pace:
    """The last while, oldest first."""

    done: tuple[Done, ...] = ()

    def and_then(self, done: Done) -> Pace:
        kept = [it for it in self.done if done.at - it.at <= _WINDOW_SECONDS]
        return Pace((*kept, done))

    @property
    def seconds(self) -> float:
        return self.done[-1].at - self.done[0].at if self.done else 0.0

    def rate(self, name: str) -> float | None:
        """A second; None where too little time was measured."""
        if self.seconds < _MEASURED_SECONDS_MIN:
            return None
        first, last = self.done[0], self.done[-1]
        return float(getattr(last, name) - getattr(first, name)) / self.seconds


def bytes_left(outlook: Outlook, survey: Survey | None) -> int | None:
    """None where a node did not tell what it holds."""
    if survey is None:
        return None
    total = 0.0
    for (partition, _), copy in outlook.copies.items():
        figures = survey.nodes.get(copy.source)
        if figures is None:
            return None
        total += figures.bytes_of(partition)
    return int(total)


def seconds_left(outlook: Outlook, left_bytes: int | None, pace: Pace) -> float | None:
    """None: not known. ``outlook`` is one in which moves may begin."""
    estimates: list[float | None] = []
    if outlook.copies:
        by_bytes = None if left_bytes is None else _time(left_bytes, pace.rate("snapshot_bytes"))
        by_copies = _time(len(outlook.copies), pace.rate("copies"))
        known = [it for it in (by_bytes, by_copies) if it is not None]
        estimates.append(max(known) if known else None)
    if outlook.hand_overs:
        by_hand_overs = _time(len(outlook.hand_overs), pace.rate("hand_overs"))
        # They come after their copies, at the pace of these.
        if by_hand_overs is not None or not outlook.copies:
            estimates.append(by_hand_overs)
    if not estimates or None in estimates:
        return None if estimates else 0.0
    return max(it for it in estimates if it is not None)


def _time(left: float, rate: float | None) -> float | None:
    return None if not rate else left / rate
