"""The longest load: from before the query until the cache has answered the store.

Between those two, a change of the row may be overtaken by the old value ("read the old
row, store it after the delete"). The staleness window counts it.
"""

from __future__ import annotations

import threading
import time


class LongestLoad:
    """One per process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ns = 0

    @property
    def ns(self) -> int:
        return self._ns

    def ended(self, started_ns: int) -> None:
        """A load that began at this CLOCK_MONOTONIC time has just been stored."""
        took_ns = time.monotonic_ns() - started_ns
        with self._lock:
            self._ns = max(self._ns, took_ns)
