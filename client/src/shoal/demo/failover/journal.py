"""What became of every operation. Pure: times are nanoseconds of one clock.

Bounded by the run's length: one small record for each operation, some ten thousand in all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import shoal
from shoal import Ack


class Doing(StrEnum):
    WRITE = "write"
    READ = "read"


class Ending(StrEnum):
    """How an operation ended."""

    DONE = "done"
    NOT_APPLIED = "not applied"
    MAYBE_APPLIED = "maybe applied"


@dataclass(frozen=True, slots=True)
class Record:
    """One operation. ``ack`` is that of the lane, for reads too."""

    doing: Doing
    key: str
    partition: int
    ack: Ack
    started_ns: int
    ended_ns: int
    ending: Ending
    reason: str = ""

    @property
    def latency_ms(self) -> float:
        return (self.ended_ns - self.started_ns) / 1e6

    @property
    def is_error(self) -> bool:
        return self.ending is not Ending.DONE


@dataclass(slots=True)
class Journal:
    records: list[Record] = field(default_factory=list)

    def acknowledged(self, ack: Ack) -> list[str]:
        """Keys whose write was acknowledged at this level; each was written once."""
        return [
            record.key
            for record in self.records
            if record.doing is Doing.WRITE and record.ack is ack and not record.is_error
        ]


def ending_of(error: shoal.ShoalError) -> Ending:
    """What a client's error says of an operation."""
    is_certain = error.outcome is shoal.Outcome.NOT_APPLIED
    return Ending.NOT_APPLIED if is_certain else Ending.MAYBE_APPLIED
