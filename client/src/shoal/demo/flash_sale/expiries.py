"""When the viral key went missing after it had been there.

Each process notices for itself (``ViralWatch``): a miss that follows a hit. The
processes notice the same disappearance within milliseconds of each other, so ``merged``
makes one of those that lie close together, and names the cause: a price change that
deleted the key just before, or else the TTL (or a cache that lost it).
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shoal.demo.flash_sale.catalog import PriceChange


class Cause(StrEnum):
    EXPIRED = "expired"
    INVALIDATED = "invalidated"


@dataclass(frozen=True, slots=True)
class Disappearance:
    at_ns: int
    cause: Cause


class ViralWatch:
    """Notices misses that follow hits, for the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._was_there = False
        self._noticed_ns: array[int] = array("q")

    def saw(self, *, hit: bool, at_ns: int) -> None:
        with self._lock:
            if self._was_there and not hit:
                self._noticed_ns.append(at_ns)
            self._was_there = hit

    def drain(self) -> array[int]:
        with self._lock:
            drained, self._noticed_ns = self._noticed_ns, array("q")
        return drained


def merged(
    noticed_ns: Iterable[int], viral_changes: Sequence[PriceChange], *, gap_ns: int
) -> list[Disappearance]:
    """One disappearance for all that were noticed within ``gap_ns`` after its first."""
    found: list[Disappearance] = []
    for at_ns in sorted(noticed_ns):
        if found and at_ns - found[-1].at_ns < gap_ns:
            continue
        deleted = any(
            change.deleted_ns is not None
            and change.committed_ns <= at_ns <= change.deleted_ns + gap_ns
            for change in viral_changes
        )
        found.append(Disappearance(at_ns, Cause.INVALIDATED if deleted else Cause.EXPIRED))
    return found
