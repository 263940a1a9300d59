"""What a compare-and-swap came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from shoal_coordinator.registry.port import Guard, Revision

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Won:
    """The write stands; ``mod_revision`` is what the next swap of it must compare."""

    mod_revision: Revision


@dataclass(frozen=True, slots=True)
class Lost(Generic[T]):
    """Nothing was written, or it was overwritten before its outcome was known.

    ``current`` is what stands instead (``None``: nothing, or nothing readable).
    ``failed`` are the guards that did not hold, at least one of them.
    """

    current: T | None
    failed: tuple[Guard, ...]
