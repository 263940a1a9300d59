"""What a cache has done so far, in numbers."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeAlias

Event: TypeAlias = Literal[
    "hits",
    "absent",
    "stale",
    "expired",
    "misses",
    "loads",
    "failed_loads",
    "joined",
    "bypassed",
    "overtaken",
    "unstored",
    "unreadable",
    "cache_failures",
]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since the cache object was made."""

    hits: int = 0
    """Served from the cache, fresh."""
    absent: int = 0
    """Answered by "the origin has none", from the cache."""
    stale: int = 0
    """Served past ``fresh``, with a refresh behind the scenes."""
    expired: int = 0
    """Served past ``ttl``, because the load failed."""
    misses: int = 0
    """Not served from the cache."""
    loads: int = 0
    """Loaders called, or refused by the guard."""
    failed_loads: int = 0
    """Of these, those that raised."""
    joined: int = 0
    """Callers who shared a load of this process."""
    bypassed: int = 0
    """Loads past a cache that failed; their values are not stored."""
    overtaken: int = 0
    """Loaded values that were not stored because the key had changed meanwhile."""
    unstored: int = 0
    """Loaded values that the cache failed to store."""
    unreadable: int = 0
    """Stored values that the serializer refused; each counts as a miss."""
    cache_failures: int = 0
    """Reads and writes of the cache that failed."""


class Counters:
    """Counts; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        """Add one."""
        with self._lock:
            self._counts[event] += 1

    def read(self) -> CacheStats:
        """Return what was counted."""
        with self._lock:
            return CacheStats(**self._counts)
