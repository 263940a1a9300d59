"""The ids of copies: ``<mark of an incarnation>-<random>``.

A copy id is new whenever a node's copy of a partition begins from nothing: at every
start, and before every discard. It begins with characters of the incarnation's random
part, so that a copy that an earlier run of a node had is known to be lost at sight: no
node has to be asked. (An incarnation begins with its listener's mark, which stays the
same over restarts, so that part would tell nothing.)

The data plane draws an id by itself before it takes a snapshot over data, and keeps
what stands before the dash of the one that it was given.
"""

from __future__ import annotations

from functools import lru_cache

from shoal_coordinator.registry.records import CopyId, Incarnation

_MARK_LENGTH = 8


def new_copy_id(incarnation: Incarnation, token: str) -> CopyId:
    """``token`` is random, and new every time."""
    return CopyId(f"{mark_of(incarnation)}-{token}")


def is_of(copy_id: CopyId, incarnation: Incarnation) -> bool:
    """Whether a copy began in this very run of its node."""
    return copy_id.startswith(_beginning(incarnation))


def mark_of(incarnation: Incarnation) -> str:
    """What the ids of its copies begin with, before a dash."""
    _, dash, random_part = incarnation.partition("-")
    return (random_part if dash else incarnation)[:_MARK_LENGTH]


@lru_cache(maxsize=4096)
def _beginning(incarnation: Incarnation) -> str:
    # Asked of every copy in every decision, and of few incarnations.
    return f"{mark_of(incarnation)}-"
