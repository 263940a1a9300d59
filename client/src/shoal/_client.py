"""``shoal.Client``: the blocking surface. What it does is in ``shoal._core``."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from shoal._cache import Cache
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
from shoal._drivers.blocking import BlockingDriver
from shoal._drivers.port import BlockingPort
from shoal._session import Session
from shoal._sharded_counter import ShardedCounter
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
    """A connection to a Shoal cluster, for blocking code.

    Safe to share by any number of threads. Make one per process, after a fork: a client
    that was used before a fork raises ForkedClient in the child. (gRPC itself does not
    promise to survive a fork in a process that uses it: its threads can crash the child. So
    fork first, or start workers by "spawn".) Close it, or use it as a
    context manager; one that is merely dropped closes itself when it is collected.

    Every call takes ``timeout``, for the call with all its attempts, and raises
    ``shoal.ShoalError``: see ``shoal._errors`` for the tree. Reads, deletes and touches
    are repeated until the timeout when a node fails. So are ``incr``, sets with a
    condition and sets in sync: they carry an id by which the cluster counts them once.
    Another set is repeated unless an attempt of it may still be on its way. An error's
    ``outcome`` says whether the write may have been applied all the same.
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
        """Set up a client. Connects at its first call.

        ``seeds`` are HOST:PORT of any nodes; the rest is learnt from them. ``timeout``
        holds for each call that has none of its own. ``max_attempts`` bounds one call,
        ``retry_budget`` the retries that all calls together make in a burst. ``ack``
        holds for each write that names none; without it each operation has its own default
        (see ``shoal.Ack``). ``near`` keeps answers in the client's own memory, for as long
        as the cluster grants it (see ``shoal.NearCache``). ``zone`` says where the client
        is, in the names that the nodes were given; ``read_from`` holds for each read that
        names no ``read`` itself (see ``shoal.ReadMode``). ``tls`` is how to speak TLS (see
        ``shoal.Tls``); without it connections are plain. ``token`` says who the client is,
        or ``token_file``, which is read again when it changes. Raises ConfigurationError.
        """
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
        self._driver: BlockingPort = BlockingDriver(settings)
        self._core = self._driver.core
        self._finalizer = weakref.finalize(self, self._driver.close)

    @classmethod
    def from_url(cls, url: str, **overrides: Any) -> Self:
        """Set up a client from ``shoal://host:port,host:port?timeout=250ms``.

        ``shoals://`` speaks TLS. The query takes the names of the constructor's settings, for
        TLS ``tls_ca``, ``tls_cert``, ``tls_key``, ``tls_server_name``; ``overrides`` win over it.
        A token does not stand in it: ``token_file`` may.
        Raises ConfigurationError.
        """
        settings = settings_from_url(url, overrides)
        return cls(settings.seeds, **settings.keywords())

    def get(
        self,
        key: Key,
        *,
        read: ReadMode | str | None = None,
        at_least: Version | None = None,
        timeout: Duration | None = None,
    ) -> bytes | MissingType | AbsentType:
        """Return the value, MISSING, or ABSENT where the origin is known to have none.

        ``read="any"`` lets any copy in sync answer, which may be stale; ``"nearest"`` one
        in the client's own zone, where there is one. ``at_least`` does,
        too, but for copies that have not applied this version of the key's partition.
        """
        core = self._core
        near = core.near
        if near is not None and at_least is None and (read is None or read != _PRIMARY):
            held = near.get(key, core.clock())
            if held is not None:
                return held.value
        return self._driver.run(
            operations.get(self._core, key, read=read, at_least=at_least, timeout=timeout)
        )

    def get_entry(
        self,
        key: Key,
        *,
        read: ReadMode | str | None = None,
        at_least: Version | None = None,
        timeout: Duration | None = None,
    ) -> Entry | MissingType | AbsentType:
        """Return the value with its version and remaining time to live."""
        return self._driver.run(
            operations.get_entry(self._core, key, read=read, at_least=at_least, timeout=timeout)
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
        """Store a value; ``ttl=None`` keeps it until it is evicted or deleted.

        Past ``fresh``, which is at most ``ttl``, it is stale: served as before, and refreshed
        by one of those who ask with ``get_or_load``. ``invalidate_tag`` finds it by any of
        its ``tags``, up to 16. One condition may be given; where it does not hold,
        ``applied`` is False.
        """
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
            )
        )

    def delete(
        self, *keys: Key, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> int:
        """Remove keys; return how many were there.

        After a lost answer the delete is made again, and keys that the first attempt
        removed are then not counted.
        """
        return self._driver.run(operations.delete(self._core, keys, ack=ack, timeout=timeout))

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
        """Add to a decimal integer; return what it is now.

        A key that is not there counts as ``initial`` and is given ``ttl``; one that is
        there keeps its own.
        """
        return self._driver.run(
            operations.incr(
                self._core, key, delta, initial=initial, ttl=ttl, ack=ack, timeout=timeout
            )
        )

    def get_many(
        self,
        keys: Iterable[_K],
        *,
        read: ReadMode | str | None = None,
        at_least: Mapping[_K, Version] | None = None,
        timeout: Duration | None = None,
    ) -> dict[_K, bytes | MissingType | AbsentType]:
        """Return the values of many keys, in the order asked: one request per node.

        ``at_least`` maps keys to versions; see ``get``.
        """
        return self._driver.run(
            operations.get_many(self._core, keys, read=read, at_least=at_least, timeout=timeout)
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
        """Store many values: one request per node, each key for itself, no transaction."""
        return self._driver.run(
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

    def invalidate_tag(
        self, tag: str, *, ack: Ack | str | None = None, timeout: Duration | None = None
    ) -> None:
        """Make every value invisible that carries the tag and was stored before, everywhere.

        It costs the same however many there are, and is answered once every partition has
        it (``ack``: by every copy in sync). Where it fails, some may have: do it again. What
        was read from the origin before it is not stored after it, where it is loaded by
        ``get_or_load``. A near cache of this client drops everything.
        """
        self._driver.run(operations.invalidate_tag(self._core, tag, ack=ack, timeout=timeout))

    def touch(
        self,
        key: Key,
        ttl: Duration | None,
        *,
        ack: Ack | str | None = None,
        timeout: Duration | None = None,
    ) -> bool:
        """Give a key a new time to live, None for no end; return whether it was there."""
        return self._driver.run(operations.touch(self._core, key, ttl, ack=ack, timeout=timeout))

    def topology(self, *, timeout: Duration | None = None) -> Topology:
        """Return the client's map of the cluster, waiting for the first one."""
        return self._driver.run(operations.topology(self._core, timeout))

    def session(self) -> Session:
        """Begin a session: it reads what it wrote, and never goes back, over replicas.

        Its reads are spread over the copies in sync. Costs no request; many may stand beside
        each other, for instance one for each user of a web site.
        """
        return Session(self._driver)

    def sharded_counter(self, key: Key, *, shards: int = 16) -> ShardedCounter:
        """Return a counter whose additions are spread over ``shards`` keys, ``key#0`` and so on.

        Everybody must name the same number. Costs no request. Raises InvalidRequest.
        """
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
        """Begin cache-aside: values of the application, loaded when they are missing.

        ``serializer`` turns values into bytes (msgpack where none is given), ``guard``
        bounds what the origin is asked. ``jitter`` and ``on_error`` hold for calls that
        name none. ``lease`` is how long a load may take before the cluster lets another
        caller load too; ``max_join`` how long to wait for a load of this process, and
        ``max_waiting`` how many may. Raises ConfigurationError.
        """
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
        """Return what the near cache holds and did; None without one."""
        near = self._core.near
        return None if near is None else near.stats()

    def close(self) -> None:
        """Close all connections. Calls under way raise ClientClosed. Idempotent."""
        self._core.near = None
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
