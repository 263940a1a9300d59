"""``shoal.Cache``: cache-aside for blocking code. What it does is in ``shoal._toolkit``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from shoal._core import operations
from shoal._core.durations import Duration
from shoal._core.requests import wire_key
from shoal._drivers.port import BlockingPort
from shoal._errors import DeadlineExceeded
from shoal._toolkit.blocking_cached import Cached
from shoal._toolkit.blocking_runner import BlockingRunner
from shoal._toolkit.counters import CacheStats, Counters
from shoal._toolkit.loading import Loading
from shoal._toolkit.recipe import OnError
from shoal._toolkit.regions.blocking_region import Region
from shoal._toolkit.regions.origin import RegionOrigin
from shoal._toolkit.regions.settings import Write, write_settings
from shoal._toolkit.settings import CacheSettings
from shoal._values import AbsentType, Key

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


class Cache:
    """Made by ``client.cache()``: values of an application, loaded when they are missing.

    Where the client stores bytes, this stores what its serializer takes. May be shared by
    threads. One for each origin: its guard bounds what this process asks of that.
    """

    def __init__(self, driver: BlockingPort, settings: CacheSettings, client: object) -> None:
        """For ``client.cache()`` alone."""
        self._driver = driver
        self._settings = settings
        self._counters = Counters()
        self._regions: list[Region] = []
        self._runner = BlockingRunner(driver, settings, client)
        self._loading = Loading(driver.core, settings, self._counters)

    def get_or_load(
        self,
        key: Key,
        loader: Callable[[], _T],
        *,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
    ) -> _T | AbsentType:
        """Return the value of a key; load it with ``loader()`` where the cache has none.

        ``loader`` returns the value, or ``shoal.ABSENT`` where the origin has none: that is
        stored for ``absent_ttl``, or not at all. Up to ``fresh`` a value is simply served;
        from then to ``ttl`` it is served while one caller refreshes it; after ``ttl`` it is
        loaded anew, and served for ``stale_if_error`` longer where that fails. ``jitter``
        is a part of the fresh time. ``on_error="miss"`` asks the origin where the cache
        fails, within the guard, "raise" raises the cache's error.

        Callers of a key share one load. Raises what the loader raises; LoadRefused when
        the guard does not let it pass; InvalidRequest for what cannot be stored.
        """
        value: _T | AbsentType = self._runner.run(
            self._loading.get_or_load(
                wire_key(key),
                loader,
                self._settings.recipe(
                    ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error
                ),
            )
        )
        return value

    def refresh(
        self,
        key: Key,
        loader: Callable[[], _T],
        *,
        ttl: Duration,
        fresh: Duration | None = None,
        stale_if_error: Duration | None = None,
        absent_ttl: Duration | None = None,
        jitter: float | None = None,
        tags: Iterable[str] = (),
        on_error: OnError | str | None = None,
    ) -> _T | AbsentType:
        """Load a key whatever the cache holds, and store that in its place; return it.

        Where the key is changed meanwhile, what is there then stays. Raises as ``get_or_load``.
        """
        value: _T | AbsentType = self._runner.run(
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
    ) -> Callable[[Callable[_P, _R]], Cached[_P, _R]]:
        """Decorate a function so that its results are cached.

            @cache.cached(key="product:{id}", ttl="10m", fresh="1m", tags=["products"])
            def product(id): ...

        ``key`` and ``tags`` are templates over the function's parameters. The other arguments
        are those of ``get_or_load``. ``product.invalidate(42)`` forgets a result,
        ``product.refresh(42)`` loads it anew, ``product.original(42)`` asks the origin.
        Raises ConfigurationError for a template or times that cannot be meant.
        """
        recipe = self._settings.recipe(
            ttl, fresh, stale_if_error, absent_ttl, jitter, tags, on_error
        )

        def decorate(function: Callable[_P, _R]) -> Cached[_P, _R]:
            return Cached(function, key, recipe, self._loading, self._runner, self.delete)

        return decorate

    def region(
        self,
        name: str,
        *,
        load: Callable[[Any], Any],
        store: Callable[[Any, Any], Any] | None = None,
        remove: Callable[[Any], Any] | None = None,
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
        """Begin to read and write one kind of thing through the cache alone.

        ``load(id)`` returns a value or ABSENT, ``store(id, value)`` and ``remove(id)`` write
        it; keys are ``name:id``. ``write="through"`` writes the origin first, then the cache;
        ``"behind"`` the cache at once and the origin within ``max_delay``: what waits (at
        most ``max_queued`` things) is lost if the process dies. The other arguments are
        those of ``get_or_load``. Raises ConfigurationError, InvalidRequest.
        """
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

    def delete(self, *keys: Key) -> int:
        """Remove what was stored, after the origin has changed; return how many were there.

        Loads that are under way are not joined any more. Raises ShoalError: what is still
        cached then may be old.
        """
        wires = [wire_key(key) for key in keys]
        self._detach(wires)
        try:
            return self._driver.run(
                operations.delete(self._driver.core, wires, ack=None, timeout=None)
            )
        finally:
            self._detach(wires)

    def invalidate_tag(self, tag: str) -> None:
        """Make every value with a tag invisible, after the origin has changed.

        Loads that are under way are not joined any more, and values with the tag that they
        bring are not stored. Raises ShoalError: what is still cached then may be old; do it
        again.
        """
        self._runner.flights.detach_all()
        try:
            self._driver.run(
                operations.invalidate_tag(self._driver.core, tag, ack=None, timeout=None)
            )
        finally:
            self._runner.flights.detach_all()

    def stats(self) -> CacheStats:
        """Return what happened so far, in numbers."""
        return self._counters.read()

    def close(self, timeout: Duration = "30s") -> None:
        """Flush regions and wait for refreshes. The client stays open. Idempotent.

        ``timeout`` is for each region. Raises DeadlineExceeded (NOT_FLUSHED) where one could not
        be flushed; what it still had is lost.
        """
        not_flushed: list[DeadlineExceeded] = []
        for region in self._regions:
            try:
                region.close(timeout)
            except DeadlineExceeded as error:
                not_flushed.append(error)
        self._runner.close()
        if not_flushed:
            raise not_flushed[0]

    def _detach(self, wires: list[bytes]) -> None:
        for wire in wires:
            self._runner.flights.detach(wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
