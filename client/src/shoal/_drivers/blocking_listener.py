"""The threads of a sync client that are told of changes to what it was granted.

One for each node that granted something lately. Daemons: they must never keep an interpreter
from ending. They hold no reference to the client.
"""

from __future__ import annotations

from threading import Event, RLock, Thread
from typing import Any

import grpc

from shoal._core.core import Core
from shoal._core.listening import STREAM_SECONDS, Pauses
from shoal._drivers.blocking_pool import BlockingPool
from shoal._drivers.status import has_lost
from shoal._errors import ClientClosed
from shoal.v1 import cache_pb2


class BlockingListener:
    """Feeds ``Invalidations`` from streams of grpc."""

    def __init__(self, core: Core, pool: BlockingPool) -> None:
        self._core = core
        self._pool = pool
        self._streams: dict[str, Any] = {}
        """By address; None until it is opened. Changed under the lock."""
        # Reentrant, because a collected client closes itself wherever that happens.
        self._lock = RLock()
        self._closing = Event()

    def listen(self, address: str) -> None:
        """Listen to a node as long as it is wanted. Does not wait."""
        with self._lock:
            if self._closing.is_set() or address in self._streams:
                return
            self._streams[address] = None
        Thread(target=self._run, args=(address,), name="shoal-changes", daemon=True).start()

    def close(self) -> None:
        """End the threads, without waiting for them."""
        self._closing.set()
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            if stream is not None:
                stream.cancel()

    def _run(self, address: str) -> None:
        pauses = Pauses(self._core.rng)
        while self._goes_on(address):
            self._follow(address, pauses)
            self._closing.wait(pauses.next_seconds())

    def _goes_on(self, address: str) -> bool:
        # In one step with the end of this thread, so that a grant that comes meanwhile
        # begins another.
        with self._lock:
            goes_on = not self._closing.is_set() and self._core.listens_to(address)
            if not goes_on:
                del self._streams[address]
            return goes_on

    def _follow(self, address: str, pauses: Pauses) -> None:
        invalidations = self._core.invalidations
        assert invalidations is not None
        number = invalidations.opened()
        lost = False
        try:
            stream = self._open(address)
            for told in stream:
                pauses.note_update()
                invalidations.told(number, told.partition, told.epoch, told.sequence, told.keys)
        except grpc.RpcError as error:
            lost = has_lost(error)
        except (ValueError, ClientClosed):
            pass  # A closed channel; the client's end.
        finally:
            invalidations.ended(number, has_lost=lost)

    def _open(self, address: str) -> Any:
        method = self._pool.method(address, "WatchInvalidations")
        stream = method(cache_pb2.WatchInvalidationsRequest(), timeout=STREAM_SECONDS)
        with self._lock:
            self._streams[address] = stream
        if self._closing.is_set():
            stream.cancel()
        return stream
