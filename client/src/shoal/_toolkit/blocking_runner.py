"""Runs plans in the thread that asks; refreshes in a few threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from shoal._drivers.port import BlockingPort
from shoal._errors import ClientClosed
from shoal._toolkit.blocking_flights import BlockingFlights
from shoal._toolkit.blocking_guard import BlockingGuard
from shoal._toolkit.effects import Ask, Background, Effect, Fly, Part, Plan
from shoal._toolkit.settings import MAX_REFRESHES, MAX_REFRESHES_WAITING, CacheSettings

_T = TypeVar("_T")


class BlockingRunner:
    """Threads around the plans of one cache object."""

    def __init__(self, driver: BlockingPort, settings: CacheSettings, client: object) -> None:
        self.flights: BlockingFlights[Any] = BlockingFlights(settings.max_waiting)
        self.guard = BlockingGuard(settings.guard)
        self._driver = driver
        # A client that is dropped closes its driver; it lives as long as what it made.
        self._client = client
        self._max_join_seconds = settings.max_join_seconds
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._refreshing: set[bytes] = set()
        self._is_closed = False

    def run(self, plan: Plan[_T]) -> _T:
        """Run a plan to its end. Raises what it raises."""
        if self._is_closed:
            raise ClientClosed("this cache is closed: make a new one with client.cache()")
        return self._run(plan)

    def close(self) -> None:
        """Wait for the refreshes under way. Idempotent."""
        with self._lock:
            self._is_closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _run(self, plan: Plan[_T]) -> _T:
        try:
            effect = next(plan)
            while True:
                try:
                    answer = self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - it is the plan's
                    effect = plan.throw(error)
                else:
                    effect = plan.send(answer)
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            plan.close()

    def _perform(self, effect: Effect) -> Any:
        if type(effect) is Ask:
            return self._driver.run(effect.operation)
        if isinstance(effect, Fly):
            plan = effect.plan
            return self.flights.do(effect.key, lambda: self._run(plan()), self._max_join_seconds)
        if isinstance(effect, Background):
            return self._begin(effect.key, effect.plan)
        if isinstance(effect, Part):
            return self.flights.detach(effect.key)
        assert not isinstance(effect, Ask)
        return self.guard.load(effect.key, effect.loader)

    def _begin(self, key: bytes, plan: Callable[[], Plan[Any]]) -> None:
        with self._lock:
            if self._is_closed or key in self._refreshing:
                return
            if len(self._refreshing) >= MAX_REFRESHES_WAITING:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(MAX_REFRESHES, thread_name_prefix="shoal-refresh")
            self._refreshing.add(key)
            self._pool.submit(self._refresh, key, plan)

    def _refresh(self, key: bytes, plan: Callable[[], Plan[Any]]) -> None:
        try:
            self._run(plan())
        except Exception:  # noqa: BLE001 - counted by the plan; what is stale stays so
            return
        finally:
            with self._lock:
                self._refreshing.discard(key)
