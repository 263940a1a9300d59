"""``shoal.Session``: a client that reads what it wrote and never goes back, over replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from shoal._core import operations
from shoal._core.durations import Duration
from shoal._core.session import Remembered
from shoal._drivers.port import BlockingPort
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
    """Made by ``client.session()``; has the client's operations and uses its connections.

    It remembers the highest version that it wrote or read of each partition, and reads
    from any copy in sync that has applied it. So within one session

      - a read sees every write that the session made before, and
      - a read never shows less than one before did,

    while reads are spread over the primary and its replicas. A write that failed with
    MAYBE_APPLIED, and a new time to live (``touch``), are not remembered. A write that was
    acknowledged by the primary alone may be lost in a failover, and the session then goes
    on without it. Remembers one version per partition at most; needs no closing. May be
    shared by threads.
    """

    def __init__(self, driver: BlockingPort) -> None:
        """For ``client.session()`` alone."""
        self._driver = driver
        self._core = driver.core
        self._remembered = Remembered()

    def get(self, key: Key, *, timeout: Duration | None = None) -> bytes | MissingType | AbsentType:
        """See ``shoal.Client.get``."""
        return self._driver.run(
            operations.get(
                self._core,
                key,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
        )

    def get_entry(
        self, key: Key, *, timeout: Duration | None = None
    ) -> Entry | MissingType | AbsentType:
        """See ``shoal.Client.get_entry``."""
        return self._driver.run(
            operations.get_entry(
                self._core,
                key,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
        )

    def set(
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
        return self._driver.run(
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

    def delete(
        self, *keys: Key, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> int:
        """See ``shoal.Client.delete``."""
        return self._driver.run(
            operations.delete(self._core, keys, ack=ack, timeout=timeout, session=self._remembered)
        )

    def incr(
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
        return self._driver.run(
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

    def get_many(
        self, keys: Iterable[_K], *, timeout: Duration | None = None
    ) -> dict[_K, bytes | MissingType | AbsentType]:
        """See ``shoal.Client.get_many``."""
        return self._driver.run(
            operations.get_many(
                self._core,
                keys,
                read=None,
                at_least=None,
                timeout=timeout,
                session=self._remembered,
            )
        )

    def set_many(
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
        return self._driver.run(
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

    def invalidate_tag(
        self, tag: str, *, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> None:
        """See ``shoal.Client.invalidate_tag``."""
        self._driver.run(
            operations.invalidate_tag(
                self._core, tag, ack=ack, timeout=timeout, session=self._remembered
            )
        )

    def touch(
        self,
        key: Key,
        ttl: Duration | None,
        *,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> bool:
        """See ``shoal.Client.touch``."""
        return self._driver.run(
            operations.touch(
                self._core, key, ttl, ack=ack, timeout=timeout, session=self._remembered
            )
        )
