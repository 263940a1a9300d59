"""What goes into the client and comes out of it, as values.

"No value" is a type, never ``None``: ``MISSING`` where the cache has nothing, ``ABSENT``
where it knows that the origin has nothing. Both are falsy; so is the value ``b""``, so
compare with ``is`` where empty values occur.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Final, Literal, TypeAlias

Key: TypeAlias = str | bytes
"""1 to 1024 bytes; a str stands for its UTF-8."""

Value: TypeAlias = bytes | bytearray | memoryview | str
"""What may be stored; a str stands for its UTF-8. Values are read back as bytes."""


class MissingType(Enum):
    """The type of ``MISSING``."""

    MISSING = "MISSING"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


class AbsentType(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "ABSENT"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "ABSENT"


MISSING: Final = MissingType.MISSING
"""The cache has no value for this key."""

ABSENT: Final = AbsentType.ABSENT
"""The cache knows that the origin has no value for this key."""


class Ack(StrEnum):
    """When a write is answered."""

    PRIMARY = "primary"
    """When the primary has applied it. The default of set, set_many and touch."""

    IN_SYNC = "in_sync"
    """When every in-sync copy has applied it. The default of delete, incr and conditions."""


class ReadMode(StrEnum):
    """Which copy may answer a read."""

    PRIMARY = "primary"
    """The primary alone, under its lease: what was acknowledged last. The default."""

    ANY = "any"
    """Any copy in sync, each in turn. May be stale; also answered while nobody may write."""

    NEAREST = "nearest"
    """As ANY, by a copy in the client's own zone where there is one in sync."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Of an entry. Totally ordered within a partition: by epoch, then by sequence."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with what the cache knows about it."""

    value: bytes
    version: Version
    ttl: timedelta | None
    """Remaining time to live; None: it does not expire."""
    maybe_stale: bool = False
    """Another copy than the primary under its lease answered: there may be a newer value."""
    is_stale: bool = False
    """It is past the time for which it was fresh."""
    fresh: timedelta | None = None
    """For how long it is still fresh; None: that is over, or it has no such time."""


@dataclass(frozen=True, slots=True)
class SetResult:
    """Answer to a set. Truthy when it was applied."""

    applied: bool
    """False when the condition did not hold."""
    version: Version
    """Of what was written; where the condition did not hold, of what stands there."""

    def __bool__(self) -> bool:
        return self.applied
