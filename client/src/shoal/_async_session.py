"""``shoal.asyncio.Session``: the session to be awaited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from shoal._core import operations
from shoal._core.durations import Duration
from shoal._core.session import Remembered
from shoal._drivers.port import AioPort
from shoal._values import (
    AbsentType,
    Ack,
    Entry,
    Key,
    MissingType,
    SetResult,
    Value,
    Version,
)

_K = TypeVar("_K", bound=Key)


class Session:
    """Made by ``client.session()``. Everything that ``shoal.Session`` says holds here, with
    ``await``; one session may be shared by tasks.
    """

    def __init__(self, driver: AioPort) -> None:
        """For ``client.session()`` alone."""
        self._driver = driver
        self._core = driver.core
        self._remembered = Remembered()

    async def get(
        self, key: Key, *, timeout: Duration | None = None
    ) -> bytes | MissingType | AbsentType:
        """See ``shoal.Client.get``."""
        return await self._driver.run(
            operations.get(
                self._core,
                key,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
        )

    async def get_entry(
        self, key: Key, *, timeout: Duration | None = None
    ) -> Entry | MissingType | AbsentType:
        """See ``shoal.Client.get_entry``."""
        return await self._driver.run(
            operations.get_entry(
                self._core,
                key,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
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
                session=self._remembered,
            )
        )

    async def delete(
        self, *keys: Key, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> int:
        """See ``shoal.Client.delete``."""
        return await self._driver.run(
            operations.delete(self._core, keys, ack=ack, timeout=timeout, session=self._remembered)
        )

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
                self._core,
                key,
                delta,
                initial=initial,
                ttl=ttl,
                ack=ack,
                timeout=timeout,
                session=self._remembered,
            )
        )

    async def get_many(
        self, keys: Iterable[_K], *, timeout: Duration | None = None
    ) -> dict[_K, bytes | MissingType | AbsentType]:
        """See ``shoal.Client.get_many``."""
        return await self._driver.run(
            operations.get_many(
                self._core,
                keys,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
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
                session=self._remembered,
            )
        )

    async def invalidate_tag(
        self, tag: str, *, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> None:
        """See ``shoal.asyncio.Client.invalidate_tag``."""
        await self._driver.run(
            operations.invalidate_tag(
                self._core, tag, ack=ack, timeout=timeout, session=self._remembered
            )
        )

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
            operations.touch(
                self._core, key, ttl, ack=ack, timeout=timeout, session=self._remembered
            )
        )
