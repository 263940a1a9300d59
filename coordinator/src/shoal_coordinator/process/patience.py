"""How long a program that starts waits for an etcd that does not answer.

Where everything starts at once, on a machine that is busy with it, etcd is there and slow to
be reached; and whoever starts a program by hand beside a wrong address wants to know soon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
)

from shoal_coordinator.registry.port import StoreUnavailable

PATIENCE_SECONDS: Final = 15.0
"""More than any one call to etcd is tried for."""
_PAUSE_SECONDS: Final = 0.2

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


async def patiently(
    ask: Callable[[], Awaitable[_T]], patience_seconds: float = PATIENCE_SECONDS
) -> _T:
    """Ask until etcd answers. Raises StoreUnavailable once this has taken so long."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        stop=stop_after_delay(patience_seconds),
        wait=wait_fixed(_PAUSE_SECONDS),
        before_sleep=_tell,
        reraise=True,
    )

    async def attempt() -> _T:
        return await ask()

    return await retrying(attempt)


def _tell(state: RetryCallState) -> None:
    why = None if state.outcome is None else state.outcome.exception()
    _log.warning("etcd does not answer yet", why=str(why))
