"""``shoal.ShardedCounter``: a counter that many write to at once."""

from __future__ import annotations

from shoal._core import sharded_counting
from shoal._core.durations import Duration
from shoal._drivers.port import BlockingPort
from shoal._values import Ack, Key, ReadMode


class ShardedCounter:
    """Made by ``client.sharded_counter()``; uses the client's connections.

    For counts that one node could not take all the writes of: the likes of a viral post.
    Additions are spread over parts on many nodes; each counts once, also across a failover.
    A read asks for all parts, of each what it holds at some moment of the call: it sees
    every addition that was acknowledged before, and may see a part of those meanwhile. So
    adding is cheap and reading is dear, and ``add`` cannot tell the new count. May be
    shared by threads.
    """

    def __init__(self, driver: BlockingPort, key: Key, shards: int) -> None:
        """For ``client.sharded_counter()`` alone."""
        self._driver = driver
        self._parts = sharded_counting.parts_of(key, shards)

    def add(
        self,
        delta: int = 1,
        *,
        ttl: Duration | None = None,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """Add to the count. ``ttl`` is given to a part by the first addition to it."""
        self._driver.run(
            sharded_counting.add(self._driver.core, self._parts, delta, ttl, ack, timeout)
        )

    def value(self, *, read: ReadMode | str | None = None, timeout: Duration | None = None) -> int:
        """Return the count; 0 where nothing was added."""
        return self._driver.run(
            sharded_counting.value(self._driver.core, self._parts, read, timeout)
        )

    def delete(self, *, ack: Ack | str | None = None, timeout: Duration | None = None) -> bool:
        """Forget the count; return whether there was one.

        No transaction: what is added meanwhile may stay.
        """
        return self._driver.run(
            sharded_counting.delete(self._driver.core, self._parts, ack, timeout)
        )
