"""The asyncio twin of ``shoal.ShardedCounter``."""

from __future__ import annotations

from shoal._core import sharded_counting
from shoal._core.durations import Duration
from shoal._drivers.port import AioPort
from shoal._values import Ack, Key, ReadMode


class ShardedCounter:
    """See ``shoal.ShardedCounter``."""

    def __init__(self, driver: AioPort, key: Key, shards: int) -> None:
        """For ``client.sharded_counter()`` alone."""
        self._driver = driver
        self._parts = sharded_counting.parts_of(key, shards)

    async def add(
        self,
        delta: int = 1,
        *,
        ttl: Duration | None = None,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """See ``shoal.ShardedCounter.add``."""
        await self._driver.run(
            sharded_counting.add(self._driver.core, self._parts, delta, ttl, ack, timeout)
        )

    async def value(
        self, *, read: ReadMode | str | None = None, timeout: Duration | None = None
    ) -> int:
        """See ``shoal.ShardedCounter.value``."""
        return await self._driver.run(
            sharded_counting.value(self._driver.core, self._parts, read, timeout)
        )

    async def delete(
        self, *, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> bool:
        """See ``shoal.ShardedCounter.delete``."""
        return await self._driver.run(
            sharded_counting.delete(self._driver.core, self._parts, ack, timeout)
        )
