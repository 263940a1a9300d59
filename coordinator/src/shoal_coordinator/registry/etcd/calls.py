"""One unary call to whichever endpoint is in use, repeated where that is safe.

Every attempt has a deadline. An attempt that fails turns to the next endpoint. A
call is repeated as long as its failure is StoreUnavailable: nothing was applied.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from grpc import aio
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from shoal_coordinator.registry.etcd.endpoints import Endpoint, Endpoints
from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.port import StoreError, StoreUnavailable

T = TypeVar("T")
ErrorMap = Callable[[grpc.StatusCode, str], StoreError]
Attempt = Callable[[Endpoint], Awaitable[T]]


async def attempt_on(
    endpoints: Endpoints,
    endpoint: Endpoint,
    settings: EtcdSettings,
    errors: ErrorMap,
    call: Attempt[T],
) -> T:
    """Call once. Raises what ``errors`` makes of the failure."""
    try:
        async with endpoint.in_use():
            await endpoint.connected(settings.connect_timeout_seconds)
            return await call(endpoint)
    except StoreUnavailable:
        endpoints.failed(endpoint)
        raise
    except aio.AioRpcError as error:
        mapped = errors(error.code(), error.details() or "")
        if error.code() in _ENDPOINT_IS_TO_BLAME:
            endpoints.failed(endpoint)
        raise mapped from error


async def call_with_retries(
    endpoints: Endpoints, settings: EtcdSettings, errors: ErrorMap, call: Attempt[T]
) -> T:
    """Call until there is an answer, or until ``give_up_seconds`` have passed."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        stop=stop_after_delay(settings.give_up_seconds - settings.call_timeout_seconds),
        wait=wait_random_exponential(multiplier=0.02, max=0.5),
        reraise=True,
    )

    async def attempt() -> T:
        return await attempt_on(endpoints, endpoints.current(), settings, errors, call)

    return await retrying(attempt)


_ENDPOINT_IS_TO_BLAME = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
