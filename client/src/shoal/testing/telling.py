"""Tells near caches of changes to what they were granted, as the nodes of a cluster do.

Called under the cluster's lock; whoever listens is told before a write is answered.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal._core.invalidations import Invalidations
from shoal._core.slots import partition_of, slot_of
from shoal.testing.store import EPOCH, PARTITIONS


class Telling:
    """One stream for each client that listens."""

    def __init__(self) -> None:
        self._sequences = [0] * PARTITIONS
        self._streams: dict[Invalidations, int | None] = {}
        """Who listens, and the number of its stream; None while it is cut."""
        self._is_cut = False

    def begin(self, listener: Invalidations) -> None:
        """Tell a client where everything stands, and what changes from now on."""
        if listener not in self._streams:
            self._streams[listener] = None if self._is_cut else self._open(listener)

    def end(self, listener: Invalidations | None) -> None:
        """A client is closed."""
        if listener is not None:
            self._streams.pop(listener, None)

    def cut(self) -> None:
        """End every stream."""
        self._is_cut = True
        for listener, stream in list(self._streams.items()):
            if stream is not None:
                listener.ended(stream)
                self._streams[listener] = None

    def heal(self) -> None:
        """Open them again."""
        self._is_cut = False
        for listener in list(self._streams):
            self._streams[listener] = self._open(listener)

    def changed(self, key: bytes | None) -> None:
        """Tell of a key that was granted; of everything where it is None."""
        if key is None:
            for partition in range(PARTITIONS):
                self._tell(partition, ())
        else:
            self._tell(partition_of(slot_of(key), PARTITIONS), (key,))

    def _tell(self, partition: int, keys: Sequence[bytes]) -> None:
        self._sequences[partition] += 1
        for listener, stream in list(self._streams.items()):
            if stream is not None:
                listener.told(stream, partition, EPOCH, self._sequences[partition], keys)

    def _open(self, listener: Invalidations) -> int:
        stream = listener.opened()
        for partition, sequence in enumerate(self._sequences):
            listener.told(stream, partition, EPOCH, sequence, ())
        return stream
