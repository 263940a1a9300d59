"""``shoal.asyncio.Cache``: cache-aside to be awaited. What it does is in ``shoal._toolkit``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from shoal._core import operations
from shoal._core.durations import Duration
from shoal._core.requests import wire_key
from shoal._drivers.port import AioPort
from shoal._errors import DeadlineExceeded
from shoal._toolkit.aio_cached import AioCached
from shoal._toolkit.aio_runner import AioRunner
from shoal._toolkit.counters import CacheStats, Counters
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import OnError
from shoal._toolkit.regions.aio_region import Region
from shoal._toolkit.regions.origin import RegionOrigin
from shoal._toolkit.regions.settings import Write, write_settings
from shoal._toolkit.settings import CacheSettings
from shoal._values import AbsentType, Key

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


class Cache:
    """Made by ``client.cache()``. Everything that ``shoal.Cache`` says holds here.

    Loaders are to be awaited. Belongs to the event loop of its client. A load is a task of
    its own: whoever is cancelled leaves it to the others who wait.
    """

    def __init__(self, driver: AioPort, settings: CacheSettings, client: object) -> None:
        """For ``client.cache()`` alone."""
        self._driver = driver
        self._settings = settings
        self._counters = Counters()
        self._regions: list[Region] = []
        self._runner = AioRunner(driver, settings, client)
        self._loading = Loading(driver.core, settings, self._counters)

    async def get_or_load(
        self,
        key: Key,
        loader: Callable[[], Awaitable[_T]],
        *,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
    ) -> _T | AbsentType:
        """See ``shoal.Cache.get_or_load``."""
        value: _T | AbsentType = await self._runner.run(
            self._loading.get_or_load(
                wire_key(key),
                loader,
                self._settings.recipe(
                    ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error
                ),
            )
        )
        return value

    async def refresh(
        self,
        key: Key,
        loader: Callable[[], Awaitable[_T]],
        *,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
    ) -> _T | AbsentType:
        """See ``shoal.Cache.refresh``."""
        value: _T | AbsentType = await self._runner.run(
            self._loading.refresh(
                wire_key(key),
                loader,
                self._settings.recipe(
                    ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error
                ),
            )
        )
        return value

    def cached(
        self,
        *,
        key: str,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
    ) -> Callable[[Callable[_P, Coroutine[Any, Any, _R]]], AioCached[_P, _R]]:
        """See ``shoal.Cache.cached``; for ``async def``."""
        recipe = self._settings.recipe(
            ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error
        )

        def decorate(function: Callable[_P, Coroutine[Any, Any, _R]]) -> AioCached[_P, _R]:
            return AioCached(function, key, recipe, self._loading, self._runner, self.delete)

        return decorate

    def region(
        self,
        name: str,
        *,
        load: Callable[[Any], Awaitable[Any]],
        store: Callable[[Any, Any], Awaitable[Any]] | None = None,
        remove: Callable[[Any], Awaitable[Any]] | None = None,
        write: Write | str = Write.THROUGH,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
        max_queued: int = 1000,
        max_delay: Duration = "1s",
    ) -> Region:
        """See ``shoal.Cache.region``."""
        made = Region(
            self._driver.core,
            self._runner,
            self._loading,
            RegionOrigin(name, load, store, remove),
            self._settings.recipe(ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error),
            write_settings(write, max_queued, max_delay),
            self._settings.random,
        )
        self._regions.append(made)
        return made

    async def delete(self, *keys: Key) -> int:
        """See ``shoal.Cache.delete``."""
        wires = [wire_key(key) for key in keys]
        self._detach(wires)
        try:
            return await self._driver.run(
                operations.delete(self._driver.core, wires, ack=None, timeout=None)
            )
        finally:
            self._detach(wires)

    async def invalidate_tag(self, tag: str) -> None:
        """Make every value with a tag invisible, after the origin has changed.

        Loads that are under way are not joined any more, and values with the tag that they
        bring are not stored. Raises ShoalError: what is still cached then may be old; do it
        again.
        """
        self._runner.flights.detach_all()
        try:
            await self._driver.run(
                operations.invalidate_tag(self._driver.core, tag, ack=None, timeout=None)
            )
        finally:
            self._runner.flights.detach_all()

    def stats(self) -> CacheStats:
        """See ``shoal.Cache.stats``."""
        return self._counters.read()

    async def close(self, timeout: Duration = "30s") -> None:
        """Flush regions and wait for refreshes. The client stays open. Idempotent.

        ``timeout`` is for each region. Raises DeadlineExceeded (NOT_FLUSHED) where one could not
        be flushed; what it still had is lost.
        """
        not_flushed: list[DeadlineExceeded] = []
        for region in self._regions:
            try:
                await region.close(timeout)
            except DeadlineExceeded as error:
                not_flushed.append(error)
        await self._runner.close()
        if not_flushed:
            raise not_flushed[0]

    def _detach(self, wires: list[bytes]) -> None:
        for wire in wires:
            self._runner.flights.detach(wire)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
