"""The threads that keep a sync client's topology up to date.

One listens to a node; the other asks another node when calls have waited for long.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread, current_thread
from typing import Any

import grpc

from shoal._core.core import Core
from shoal._core.in_flight import PERIOD_SECONDS, InFlight
from shoal._core.watching import Watching
from shoal._drivers.blocking_pool import BlockingPool
from shoal._errors import ClientClosed
from shoal.v1 import cache_pb2

_JOIN_SECONDS = 1.0


class BlockingWatcher:
    """Runs ``Watching`` over streams of grpc. Holds no reference to the client."""

    def __init__(self, core: Core, pool: BlockingPool, in_flight: InFlight) -> None:
        self._core = core
        self._pool = pool
        self._in_flight = in_flight
        self._watching = Watching(core)
        self._thread: Thread | None = None
        self._stream: Any = None
        self._known = Event()
        self._closing = Event()

    def start(self) -> None:
        """Start the threads. Daemons: they must never keep an interpreter from ending."""
        self._thread = Thread(target=self._run, name="shoal-topology", daemon=True)
        self._thread.start()
        Thread(target=self._suspect, name="shoal-patience", daemon=True).start()

    def refresh(self) -> None:
        """Ask another node, unless that was done just now. Does not wait."""
        if self._watching.wants_refresh():
            self._cancel()

    def wait_for_topology(self, timeout_seconds: float) -> None:
        """Block until a topology is known, or the time is over."""
        self._known.wait(timeout_seconds)

    def close(self) -> None:
        """End the threads."""
        self._closing.set()
        self._cancel()
        thread = self._thread
        if thread is not None and thread is not current_thread():
            thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            # Whatever ends a stream, another node is asked. ValueError is a closed channel,
            # ClientClosed the end of the loop.
            address = self._watching.next_address()
            with suppress(grpc.RpcError, ValueError, ClientClosed):
                self._watch(address)
            self._pool.renew(address)
            if self._closing.wait(self._watching.pause_seconds()):
                return

    def _suspect(self) -> None:
        while not self._closing.wait(PERIOD_SECONDS):
            if self._in_flight.overdue(self._core.clock()):
                self.refresh()

    def _watch(self, address: str) -> None:
        request = cache_pb2.WatchTopologyRequest(known_revision=self._watching.known_revision)
        self._stream = self._pool.method(address, "WatchTopology")(request)
        if self._closing.is_set():
            self._stream.cancel()
        for update in self._stream:
            self._watching.note_update()
            if self._core.learn(update.topology):
                self._known.set()
                self._pool.retain(self._core.connectable())

    def _cancel(self) -> None:
        stream = self._stream
        if stream is not None:
            stream.cancel()
