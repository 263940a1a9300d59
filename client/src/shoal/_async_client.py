"""``shoal.asyncio.Client``: the surface to be awaited. What it does is in ``shoal._core``."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from shoal._async_cache import Cache
from shoal._async_session import Session
from shoal._async_sharded_counter import ShardedCounter
from shoal._codecs.serializer import Serializer
from shoal._core import operations
from shoal._core.durations import Duration
from shoal._core.near import NearCache, NearStats
from shoal._core.settings import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_RETRY_BUDGET,
    DEFAULT_TIMEOUT,
    checked_settings,
)
from shoal._core.tls import Tls
from shoal._core.topology import Topology
from shoal._core.urls import settings_from_url
from shoal._drivers.aio import AioDriver
from shoal._drivers.port import AioPort
from shoal._toolkit.flights import DEFAULT_MAX_WAITING
from shoal._toolkit.guard import OriginGuard
from shoal._toolkit.recipe import DEFAULT_JITTER, OnError
from shoal._toolkit.settings import cache_settings
from shoal._values import (
    AbsentType,
    Ack,
    Entry,
    Key,
    MissingType,
    ReadMode,
    SetResult,
    Value,
    Version,
)

_K = TypeVar("_K", bound=Key)
_PRIMARY = ReadMode.PRIMARY


class Client:
    """A connection to a Shoal cluster, for asyncio.

    Everything that ``shoal.Client`` says holds here, with ``await``. A client belongs to
    the event loop and the process in which it is first used; elsewhere it raises
    WrongEventLoop or ForkedClient. Many tasks may share it.
    """

    def __init__(
        self,
        seeds: Sequence[str],
        *,
        timeout: Duration = DEFAULT_TIMEOUT,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        retry_budget: int = DEFAULT_RETRY_BUDGET,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        ack: Ack | str | None = None,
        near: NearCache | None = None,
        zone: str = "",
        read_from: ReadMode | str | None = None,
        tls: Tls | None = None,
        token: str | None = None,
        token_file: str | PathLike[str] | None = None,
    ) -> None:
        """Set up a client; see ``shoal.Client``. Needs no event loop yet."""
        settings = checked_settings(
            seeds,
            timeout=timeout,
            max_attempts=max_attempts,
            retry_budget=retry_budget,
            max_message_bytes=max_message_bytes,
            ack=ack,
            near=near,
            zone=zone,
            read_from=read_from,
            tls=tls,
            token=token,
            token_file=token_file,
        )
        self._driver: AioPort = AioDriver(settings)
        self._core = self._driver.core
        self._finalizer = weakref.finalize(self, self._driver.abandon)

    @classmethod
    def from_url(cls, url: str, **overrides: Any) -> Self:
        """Set up a client from ``shoal://host:port,host:port?timeout=250ms``."""
        settings = settings_from_url(url, overrides)
        return cls(settings.seeds, **settings.keywords())

    async def get(
        self,
        key: Key,
        *,
        read: ReadMode | str | None = None,
        at_least: Version | None = None,
        timeout: Duration | None = None,
    ) -> bytes | MissingType | AbsentType:
        """See ``shoal.Client.get``."""
        core = self._core
        near = core.near
        if near is not None and at_least is None and (read is None or read != _PRIMARY):
            held = near.get(key, core.clock())
            if held is not None:
                return held.value
        return await self._driver.run(
            operations.get(self._core, key, read=read, at_least=at_least, timeout=timeout)
        )

    async def get_entry(
        self,
        key: Key,
        *,
        read: ReadMode | str | None = None,
        at_least: Version | None = None,
        timeout: Duration | None = None,
    ) -> Entry | MissingType | AbsentType:
        """See ``shoal.Client.get_entry``."""
        return await self._driver.run(
            operations.get_entry(self._core, key, read=read, at_least=at_least, timeout=timeout)
        )

    async def set(
        self,
        key: Key,
        value: Value,
        *,
        ttl: Duration | None = None,
        fresh: Duration | None = None,
        tags: Iterable[str] = (),
        if_absent: bool = False,
        if_present: bool = False,
        if_version: Version | None = None,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> SetResult:
        """See ``shoal.Client.set``."""
        return await self._driver.run(
            operations.set_(
                self._core,
                key,
                value,
                ttl=ttl,
                fresh=fresh,
                tags=tags,
                if_absent=if_absent,
                if_present=if_present,
                if_version=if_version,
                ack=ack,
                timeout=timeout,
            )
        )

    async def delete(
        self, *keys: Key, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> int:
        """See ``shoal.Client.delete``."""
        return await self._driver.run(operations.delete(self._core, keys, ack=ack, timeout=timeout))

    async def incr(
        self,
        key: Key,
        delta: int = 1,
        *,
        initial: int = 0,
        ttl: Duration | None = None,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> int:
        """See ``shoal.Client.incr``."""
        return await self._driver.run(
            operations.incr(
                self._core, key, delta, initial=initial, ttl=ttl, ack=ack, timeout=timeout
            )
        )

    async def get_many(
        self,
        keys: Iterable[_K],
        *,
        read: ReadMode | str | None = None,
        at_least: Mapping[_K, Version] | None = None,
        timeout: Duration | None = None,
    ) -> dict[_K, bytes | MissingType | AbsentType]:
        """See ``shoal.Client.get_many``."""
        return await self._driver.run(
            operations.get_many(self._core, keys, read=read, at_least=at_least, timeout=timeout)
        )

    async def set_many(
        self,
        values: Mapping[_K, Value],
        *,
        ttl: Duration | None = None,
        fresh: Duration | None = None,
        tags: Iterable[str] = (),
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> dict[_K, SetResult]:
        """See ``shoal.Client.set_many``."""
        return await self._driver.run(
            operations.set_many(
                self._core,
                values,
                ttl=ttl,
                fresh=fresh,
                tags=tags,
                ack=ack,
                timeout=timeout,
            )
        )

    async def invalidate_tag(
        self, tag: str, *, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> None:
        """Make every value invisible that carries the tag and was stored before, everywhere.

        It costs the same however many there are, and is answered once every partition has
        it (``ack``: by every copy in sync). Where it fails, some may have: do it again. What
        was read from the origin before it is not stored after it, where it is loaded by
        ``get_or_load``. A near cache of this client drops everything.
        """
        await self._driver.run(operations.invalidate_tag(self._core, tag, ack=ack, timeout=timeout))

    async def touch(
        self,
        key: Key,
        ttl: Duration | None,
        *,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> bool:
        """See ``shoal.Client.touch``."""
        return await self._driver.run(
            operations.touch(self._core, key, ttl, ack=ack, timeout=timeout)
        )

    async def topology(self, *, timeout: Duration | None = None) -> Topology:
        """See ``shoal.Client.topology``."""
        return await self._driver.run(operations.topology(self._core, timeout))

    def session(self) -> Session:
        """See ``shoal.Client.session``."""
        return Session(self._driver)

    def sharded_counter(self, key: Key, *, shards: int = 16) -> ShardedCounter:
        """See ``shoal.Client.sharded_counter``."""
        return ShardedCounter(self._driver, key, shards)

    def cache(
        self,
        *,
        serializer: Serializer | None = None,
        guard: OriginGuard | None = None,
        jitter: float = DEFAULT_JITTER,
        on_error: OnError | str = OnError.MISS,
        lease: Duration = "10s",
        max_join: Duration = "30s",
        max_waiting: int = DEFAULT_MAX_WAITING,
        random: Random | None = None,
    ) -> Cache:
        """See ``shoal.Client.cache``."""
        settings = cache_settings(
            serializer=serializer,
            guard=guard,
            jitter=jitter,
            on_error=on_error,
            lease=lease,
            max_join=max_join,
            max_waiting=max_waiting,
            random=random,
        )
        return Cache(self._driver, settings, self)

    def near_stats(self) -> NearStats | None:
        """See ``shoal.Client.near_stats``."""
        near = self._core.near
        return None if near is None else near.stats()

    async def close(self) -> None:
        """Close all connections. Calls under way raise ClientClosed. Idempotent."""
        self._core.near = None
        self._finalizer.detach()
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
