"""What a client library must do here: the same reads, in its own ordinary way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Blocking(Protocol):
    """A connected client."""

    def set(self, key: str, value: bytes) -> object: ...

    def get(self, key: str) -> object:
        """Return the value, as bytes."""
        ...

    def get_many(self, keys: Sequence[str]) -> Sequence[object]:
        """Return the values, as bytes, in the order of the keys."""
        ...


class Asynchronous(Protocol):
    """A connected client on the running event loop."""

    def get(self, key: str) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True)
class Library:
    """How its clients are made, given HOST:PORT. None: it has no such face."""

    version: str
    blocking: Callable[[str], AbstractContextManager[Blocking]]
    asynchronous: Callable[[str], AbstractAsyncContextManager[Asynchronous]] | None = None
    near: Callable[[str], AbstractContextManager[Blocking]] | None = None
    """A client that answers from its own memory what it read before."""
