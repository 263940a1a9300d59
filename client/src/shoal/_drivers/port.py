"""What a client needs of whoever performs its operations: two small protocols.

``blocking`` and ``aio`` perform them over gRPC, ``shoal.testing`` in memory.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from shoal._core.core import Core
from shoal._core.effects import Operation

_T = TypeVar("_T")


class BlockingPort(Protocol):
    """Performs operations in the thread that asks. Thread-safe."""

    core: Core

    def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        ...

    def close(self) -> None:
        """End everything; calls under way raise ClientClosed. Idempotent."""
        ...


class AioPort(Protocol):
    """Performs operations in one event loop."""

    core: Core

    async def run(self, operation: Operation[_T]) -> _T:
        """Perform an operation and return its result. Raises ShoalError."""
        ...

    async def close(self) -> None:
        """End everything; calls under way raise ClientClosed. Idempotent."""
        ...

    def abandon(self) -> None:
        """End what a client that was dropped left behind. Called from anywhere."""
        ...
