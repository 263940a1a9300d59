"""What a session remembers: of each partition the highest version that it wrote or read.

Sent as ``at_least`` with every read, it gives read-your-writes and monotonic reads over
replicas: a copy that has not come so far does not answer by itself (DESIGN 7).

Invariants: a version never falls; there is at most one for each partition, so memory is
bounded by the cluster's number of partitions.

Non-goals: surviving the process, and the order of two sessions.
"""

from __future__ import annotations

from threading import Lock

from shoal._values import Version

_NOTHING = Version(0, 0)


class Remembered:
    """Versions by partition. May be shared by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._highest: dict[int, Version] = {}

    def at_least(self, partition: int) -> Version | None:
        """Return what a copy of the partition must have applied; None: anything will do."""
        return self._highest.get(partition)

    def note(self, partition: int, version: Version) -> None:
        """Take in what was written or read. A version of nothing (0.0) says nothing."""
        with self._lock:
            if version > self._highest.get(partition, _NOTHING):
                self._highest[partition] = version

    def __len__(self) -> int:
        return len(self._highest)
