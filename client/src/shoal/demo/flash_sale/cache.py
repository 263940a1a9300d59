"""The cache, as the demo needs it: a small port.

Contract: ``get`` answers the value or ``MISSING``; a value is not answered any more once
its TTL is over or ``delete`` returned, unless it was set again. Methods may be called
from several threads. Whatever goes wrong leaves as ``CacheFailed``, and then whether a
change was applied is not known.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Protocol


class Missing(Enum):
    """No value: a type of its own, never ``None``."""

    MISSING = auto()


MISSING: Final = Missing.MISSING


class Cache(Protocol):
    def get(self, key: str) -> bytes | Missing: ...

    def set(self, key: str, value: bytes, *, ttl_ms: int) -> None: ...

    def delete(self, key: str) -> None: ...

    def close(self) -> None: ...
