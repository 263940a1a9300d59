"""``shoal.testing.Cluster``: one store, its clock, and clients of both kinds."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from time import monotonic
from typing import Any, Final

from shoal._async_client import Client as AsyncClient
from shoal._client import Client
from shoal._core.core import Core
from shoal._core.durations import Duration, duration_ms
from shoal._core.failures import UNREACHABLE, Code, Failure
from shoal._core.identity import draw_request_id
from shoal._core.near import NearCache
from shoal._core.settings import DEFAULT_TIMEOUT, checked_settings
from shoal._errors import Outcome
from shoal._values import Ack
from shoal.testing.drivers import AioMemoryDriver, BlockingMemoryDriver
from shoal.testing.store import EPOCH, PARTITIONS, Parked, Store
from shoal.testing.telling import Telling
from shoal.v1 import topology_pb2

_ADDRESS: Final = "memory:1"
_MAX_ATTEMPTS: Final = 3

_DOWN: Final = Failure(
    Code.UNAVAILABLE, UNREACHABLE, Outcome.NOT_APPLIED, "the cluster in memory is down"
)


class Cluster:
    """A cluster in memory. Thread-safe; its clients may be of any number and kind."""

    def __init__(self) -> None:
        # Reentrant, because a collected client closes itself wherever that happens.
        self._lock = threading.RLock()
        self._store = Store()
        self._store.touched = self._wake
        self._telling = Telling()
        self._store.changed = self._telling.changed
        self._waiting: dict[bytes, list[Callable[[], None]]] = {}
        self._ahead_seconds = 0.0
        self._is_down = False

    def client(
        self,
        *,
        timeout: Duration = DEFAULT_TIMEOUT,
        ack: Ack | str | None = None,
        near: NearCache | None = None,
    ) -> Client:
        """Return a ``shoal.Client`` of this cluster."""
        return _BlockingClient(BlockingMemoryDriver(self._core(timeout, ack, near), self))

    def asyncio_client(
        self,
        *,
        timeout: Duration = DEFAULT_TIMEOUT,
        ack: Ack | str | None = None,
        near: NearCache | None = None,
    ) -> AsyncClient:
        """Return a ``shoal.asyncio.Client`` of this cluster."""
        return _AioClient(AioMemoryDriver(self._core(timeout, ack, near), self))

    def advance(self, duration: Duration) -> None:
        """Let time pass at once: entries expire, and leases end."""
        with self._lock:
            self._ahead_seconds += duration_ms(duration, "duration") / 1000
            self._wake_all()

    def clear(self) -> None:
        """Forget every entry, as if all had been evicted."""
        with self._lock:
            self._store.clear()

    def grant_near(self, duration: Duration | None) -> None:
        """Let near caches hold every value for so long, as a cluster does for hot keys.

        They are told of changes before a write is answered.
        """
        with self._lock:
            self._store.near_ms = 0 if duration is None else duration_ms(duration, "duration")

    @contextmanager
    def near_cut_off(self) -> Iterator[None]:
        """Tell near caches of no change meanwhile: what they hold may be as old as its grant."""
        with self._lock:
            self._telling.cut()
        try:
            yield
        finally:
            with self._lock:
                self._telling.heal()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Have every call fail with Unavailable meanwhile. What was stored stays."""
        with self._lock:
            self._is_down = True
            self._wake_all()
        try:
            yield
        finally:
            with self._lock:
                self._is_down = False

    def clock(self) -> float:
        """Return seconds on the cluster's clock."""
        return monotonic() + self._ahead_seconds

    def answer(self, method: str, request: Any, wake: Callable[[], None]) -> tuple[Any, float]:
        """Answer a request. With Parked comes after how many seconds to ask again anyway.

        For the clients' drivers: ``wake`` is called, once and from any thread, when it is
        worth asking again.
        """
        with self._lock:
            if self._is_down:
                return _DOWN, 0.0
            now_ms = int(self.clock() * 1000)
            answer = self._store.answer(method, request, now_ms)
            if not isinstance(answer, Parked):
                return answer, 0.0
            self._waiting.setdefault(answer.key, []).append(wake)
            wait_ms = min(request.fill.wait_ms, answer.lease_ends_at_ms - now_ms)
            return answer, wait_ms / 1000

    def listen(self, core: Core) -> None:
        """Tell a client of changes to what it was granted. For the clients' drivers."""
        if core.invalidations is not None:
            with self._lock:
                self._telling.begin(core.invalidations)

    def leave(self, core: Core) -> None:
        """A client is closed. For the clients' drivers."""
        with self._lock:
            self._telling.end(core.invalidations)

    def _core(self, timeout: Duration, ack: Ack | str | None, near: NearCache | None) -> Core:
        settings = checked_settings(
            [_ADDRESS], timeout=timeout, ack=ack, near=near, max_attempts=_MAX_ATTEMPTS
        )
        core = Core(settings, clock=self.clock, rng=Random(), draw_id=draw_request_id)  # noqa: S311
        core.learn(_topology())
        return core

    def _wake(self, key: bytes) -> None:
        for wake in self._waiting.pop(key, ()):
            wake()

    def _wake_all(self) -> None:
        for key in list(self._waiting):
            self._wake(key)


class _BlockingClient(Client):
    def __init__(self, driver: BlockingMemoryDriver) -> None:
        self._driver = driver
        self._core = driver.core
        self._finalizer = weakref.finalize(self, driver.close)


class _AioClient(AsyncClient):
    def __init__(self, driver: AioMemoryDriver) -> None:
        self._driver = driver
        self._core = driver.core
        self._finalizer = weakref.finalize(self, driver.abandon)


def _topology() -> topology_pb2.Topology:
    return topology_pb2.Topology(
        cluster="memory",
        revision=1,
        complete=True,
        partition_count=PARTITIONS,
        nodes=[topology_pb2.Node(id="memory", address=_ADDRESS, weight=100)],
        partitions=[
            topology_pb2.Partition(id=number, epoch=EPOCH, primary="memory", in_sync=["memory"])
            for number in range(PARTITIONS)
        ],
    )
