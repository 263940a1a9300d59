"""What a client is told of changes to what it was granted, and what it drops for that.

A node tells, on one stream, where each partition that it serves stands (an epoch, and a
sequence that rises by one with every change of what was granted), and then every change.

    position     the first of a partition on a stream: nothing is dropped where it says what
                 was known, everything of the partition where it does not
    next         the keys that it names are dropped; everything of the partition if none
    a gap        everything of the partition is dropped
    epoch 0      its node serves the partition no more: everything of it is dropped
    new epoch    told by a stream, or by the topology: everything of the partition is dropped
    the end      what is held stays until its grant is over, and nothing more is held. A
                 stream that ended because its client was too slow has lost what it was
                 told: everything that it told of is dropped

Why nothing stale stays where this is kept. A node notes a grant before it answers, in one step
with the read, and tells of a write before it acknowledges it. An answer is held only if its
partition was followed (``Near.follow``) when it was asked for, at the epoch at which the
topology has it, and nothing was told since (``Mark``). So a write that it does not show came
after the read, at the same primary, and is told, or is a gap, on the stream that is followed.
A primary that comes after has another epoch. One that was deposed answers nothing once its
successor may write (the fence), and its successor is what is followed.

Invariants: of a partition at most one stream is followed: of those that told of its highest
epoch the youngest, so that a stream whose end is noticed late changes nothing. An epoch never
falls. Thread-safe. Non-goals: opening streams, and whom to listen to (``listening.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Final, Protocol

_NOBODY: Final = 0
_UNKNOWN: Final = -1


class Holding(Protocol):
    """What holds answers; see ``Near``."""

    def drop(self, key: bytes, partition: int) -> None: ...

    def drop_partition(self, partition: int) -> None: ...

    def follow(self, partition: int, epoch: int) -> None: ...


@dataclass(slots=True)
class _Position:
    """Up to where a partition's changes are known."""

    epoch: int = 0
    sequence: int = _UNKNOWN
    """While it is not known, nothing is held by a grant."""
    stream: int = _NOBODY
    """Which is followed."""


class Invalidations:
    """Decides what to drop. A stream is known by the number that ``opened`` gave it."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._positions: dict[int, _Position] = {}
        self._streams = count(1)
        self._deciding = Lock()

    def opened(self) -> int:
        """Return the number of a stream that is opened now."""
        return next(self._streams)

    def told(
        self, stream: int, partition: int, epoch: int, sequence: int, keys: Sequence[bytes]
    ) -> None:
        """Take an update of a stream."""
        with self._deciding:
            known = self._positions.setdefault(partition, _Position())
            if not epoch or epoch < known.epoch:
                if known.stream == stream:
                    # It serves it no more; or goes back, which nothing that is right does.
                    self._leave(partition, known)
            elif epoch > known.epoch or stream > known.stream:
                self._begin(partition, known, _Position(epoch, sequence, stream))
            elif stream == known.stream:
                self._go_on(partition, known, sequence, keys)

    def ended(self, stream: int, *, has_lost: bool = False) -> None:
        """A stream is over. ``has_lost``: without having told everything that it should."""
        with self._deciding:
            for partition, known in self._positions.items():
                if known.stream != stream:
                    continue
                if has_lost:
                    self._leave(partition, known)
                else:
                    known.stream = _NOBODY
                    self._holding.follow(partition, 0)

    def learn(self, epochs: Iterable[tuple[int, int]]) -> None:
        """Take what the topology says anew: partitions and their epochs."""
        with self._deciding:
            for partition, epoch in epochs:
                known = self._positions.setdefault(partition, _Position())
                if epoch > known.epoch:
                    known.epoch = epoch
                    if known.sequence != _UNKNOWN:
                        self._leave(partition, known)

    # Whom to follow is changed first, then what is held is dropped: the other way round an
    # answer could be held in between, on the terms of before.

    def _begin(self, partition: int, known: _Position, told: _Position) -> None:
        self._positions[partition] = told
        self._holding.follow(partition, told.epoch)
        is_same = (known.epoch, known.sequence) == (told.epoch, told.sequence)
        if known.sequence != _UNKNOWN and not is_same:
            self._holding.drop_partition(partition)

    def _go_on(
        self, partition: int, known: _Position, sequence: int, keys: Sequence[bytes]
    ) -> None:
        if sequence == known.sequence + 1 and keys:
            for key in keys:
                self._holding.drop(key, partition)
        elif sequence != known.sequence or keys:
            self._holding.drop_partition(partition)
        known.sequence = sequence

    def _leave(self, partition: int, known: _Position) -> None:
        known.sequence, known.stream = _UNKNOWN, _NOBODY
        self._holding.follow(partition, 0)
        self._holding.drop_partition(partition)
