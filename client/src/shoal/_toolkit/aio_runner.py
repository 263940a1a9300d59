"""Runs plans in the task that asks; refreshes in tasks of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from shoal._drivers.port import AioPort
from shoal._errors import ClientClosed
from shoal._toolkit.aio_flights import AioFlights
from shoal._toolkit.aio_guard import AioGuard
from shoal._toolkit.effects import Ask, Background, Effect, Fly, Part, Plan
from shoal._toolkit.flights import Flights
from shoal._toolkit.settings import MAX_REFRESHES_WAITING, CacheSettings

_T = TypeVar("_T")


class AioRunner:
    """Tasks around the plans of one cache object. Belongs to one event loop."""

    def __init__(self, driver: AioPort, settings: CacheSettings, client: object) -> None:
        self.flights: AioFlights[Any] = AioFlights(settings.max_waiting)
        self.guard = AioGuard(settings.guard)
        self._driver = driver
        # A client that is dropped closes its driver; it lives as long as what it made.
        self._client = client
        self._max_join_seconds = settings.max_join_seconds
        self._refreshing: dict[bytes, asyncio.Task[None]] = {}
        self._is_closed = False

    async def run(self, plan: Plan[_T]) -> _T:
        """Run a plan to its end. Raises what it raises."""
        if self._is_closed:
            raise ClientClosed("this cache is closed: make a new one with client.cache()")
        return await self._run(plan)

    async def close(self) -> None:
        """Wait for the refreshes under way. Idempotent."""
        self._is_closed = True
        await asyncio.gather(*self._refreshing.values())

    async def _run(self, plan: Plan[_T]) -> _T:
        try:
            effect = next(plan)
            while True:
                try:
                    answer = await self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - it is the plan's
                    effect = plan.throw(error)
                else:
                    effect = plan.send(answer)
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            plan.close()

    async def _perform(self, effect: Effect) -> Any:
        if type(effect) is Ask:
            return await self._driver.run(effect.operation)
        if isinstance(effect, Fly):
            plan = effect.plan
            return await self.flights.do(
                effect.key, lambda: self._run(plan()), self._max_join_seconds
            )
        if isinstance(effect, Background):
            return self._begin(effect.key, effect.plan)
        if isinstance(effect, Part):
            return self.flights.detach(effect.key)
        assert not isinstance(effect, Ask)
        return await self.guard.load(effect.key, effect.loader)

    def _begin(self, key: bytes, plan: Callable[[], Plan[Any]]) -> None:
        if self._is_closed or key in self._refreshing:
            return
        if len(self._refreshing) < MAX_REFRESHES_WAITING:
            self._refreshing[key] = asyncio.ensure_future(self._refresh(key, plan))

    async def _refresh(self, key: bytes, plan: Callable[[], Plan[Any]]) -> None:
        # A load may have begun it, whose context the task has; it does not wait for this.
        Flights.begin_apart()
        try:
            await self._run(plan())
        except Exception:  # noqa: BLE001 - counted by the plan; what is stale stays so
            return
        finally:
            del self._refreshing[key]
