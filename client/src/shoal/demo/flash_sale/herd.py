"""Herds: identical queries that the origin answered at the same time.

Pure. Queries for one key whose spans overlap, directly or through others, are one
*reload* of that key. A reload needs one query; every further one is waste, and their
number is the size of the herd.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reload:
    """One group of overlapping queries for one key."""

    started_ns: int
    ended_ns: int
    queries: int


def reloads(spans: Iterable[tuple[int, int]]) -> list[Reload]:
    """Groups (start, end) spans, in any order, into reloads in the order of their start."""
    groups: list[Reload] = []
    for started_ns, ended_ns in sorted(spans):
        if groups and started_ns <= groups[-1].ended_ns:
            last = groups[-1]
            groups[-1] = Reload(last.started_ns, max(last.ended_ns, ended_ns), last.queries + 1)
        else:
            groups.append(Reload(started_ns, ended_ns, 1))
    return groups
