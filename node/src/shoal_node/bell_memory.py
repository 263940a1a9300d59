"""News that are counted, and a bell that tells of them: of the data plane's twin in memory.

The data plane counts and rings alike, in Rust: once for all that came since the counter was
last read.
"""

from __future__ import annotations

import os


class Bell:
    """The descriptor is made when it is first asked for, and closed with the bell."""

    def __init__(self) -> None:
        self._count = 0
        self._changed: set[int] = set()
        self._has_rung = False
        self._descriptor: int | None = None

    def tell(self, partition: int) -> None:
        """There is news in this partition."""
        self._changed.add(partition)
        self._count += 1
        if not self._has_rung:
            self._ring()

    def read(self) -> int:
        """How often there was news; it rings for what comes next."""
        self._has_rung = False
        return self._count

    def take_changed(self) -> list[int]:
        """The partitions in which there was news since they were last taken."""
        changed, self._changed = sorted(self._changed), set()
        return changed

    def heard_at(self) -> int:
        """Readable once it has rung; it does at first."""
        if self._descriptor is None:
            self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._ring()
        return self._descriptor

    def _ring(self) -> None:
        self._has_rung = True
        if self._descriptor is not None:
            os.eventfd_write(self._descriptor, 1)

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
