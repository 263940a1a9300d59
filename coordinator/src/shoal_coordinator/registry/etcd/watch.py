"""Watching a prefix through lost connections: no gap, no duplicate, in order.

One stream a watch. Resuming starts after the last *event's* mod_revision; the
revision in a response's header may be past events not sent yet. Only a progress
response, which etcd sends when nothing is outstanding, advances it otherwise.

etcd answers no progress request while the watch starts at a revision that does not
exist yet. So a watch that is up to date starts at the last revision told, and
passes over what is told twice.

A large response comes in fragments, and is told once its last one is here, so a
revision is never split. What was incomplete when a stream broke is asked for again.

A stream that says nothing is asked for progress, and left if it stays silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import structlog
from grpc import aio

from shoal_coordinator.registry.etcd.channel import REQUIRE_LEADER
from shoal_coordinator.registry.etcd.continuity import Continuity
from shoal_coordinator.registry.etcd.endpoints import Endpoint, Endpoints
from shoal_coordinator.registry.etcd.kv import Kv
from shoal_coordinator.registry.etcd.ranges import end_of_prefix
from shoal_coordinator.registry.etcd.releases import Assessment, assess
from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.etcd.translate import event_of
from shoal_coordinator.registry.etcd.wire import kv_pb2
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.port import Compacted, Events, Revision, StoreUnavailable

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
_ANY_WATCH = -1
"""The watch id in the answer to a progress request."""

_Call = aio.StreamStreamCall[wire.WatchRequest, wire.WatchResponse]


class StreamEnded(Exception):
    """This stream is over; the watch goes on with another."""


class Watcher:
    """Opens watches."""

    def __init__(
        self, endpoints: Endpoints, settings: EtcdSettings, continuity: Continuity, kv: Kv
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._continuity = continuity
        self._kv = kv
        self._warned: set[str] = set()

    async def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        """See ``Store.watch``."""
        pause_seconds = _PAUSE_SECONDS
        while True:
            endpoint = self._endpoints.current()
            stream = self._stream(endpoint, prefix, after)
            try:
                async with endpoint.in_use(), contextlib.aclosing(stream):
                    async for events in stream:
                        pause_seconds = _PAUSE_SECONDS
                        after = events.revision
                        yield events
            except (StreamEnded, StoreUnavailable) as ended:
                _log.warning("etcd_watch_reopened", endpoint=endpoint.target, why=str(ended))
                self._endpoints.failed(endpoint)
                await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _stream(
        self, endpoint: Endpoint, prefix: str, after: Revision
    ) -> AsyncGenerator[Events]:
        """One stream's events. Raises StreamEnded, StoreUnavailable, and what ends the watch."""
        # A watch of revisions that are not there yet would wait in silence for an
        # etcd that went back to reach them, and then tell other events.
        self._continuity.saw(after)
        now = await self._kv.look(endpoint, prefix)
        assessment = await self._assess(endpoint)
        call = endpoint.watch.Watch(metadata=REQUIRE_LEADER)
        try:
            await self._send(call, _create(prefix, min(now, after + 1)))
            reader = WatchReader(after, probes_are_exact=assessment.probes_are_exact)
            while True:
                response = await self._next(call)
                self._continuity.check(response.header)
                events = reader.take(response)
                if events is not None:
                    yield events
        except aio.AioRpcError as error:
            raise StreamEnded(f"{error.code().name}, {error.details()}") from error
        finally:
            call.cancel()

    async def _next(self, call: _Call) -> wire.WatchResponse:
        """The next response, asking for a sign of life meanwhile. Raises StreamEnded."""
        # Giving up a read cancels the stream, so one read waits through all probes.
        reading = asyncio.ensure_future(call.read())
        silent_seconds = 0.0
        try:
            while True:
                await asyncio.wait({reading}, timeout=self._settings.probe_seconds)
                if reading.done():
                    # Cancelled: the channel was closed under it.
                    response = None if reading.cancelled() else reading.result()
                    if not isinstance(response, wire.WatchResponse):
                        raise StreamEnded("etcd ended the stream")
                    return response
                silent_seconds += self._settings.probe_seconds
                if silent_seconds >= self._settings.silence_seconds:
                    raise StreamEnded(f"etcd was silent for {silent_seconds:.1f} s")
                probe = wire.WatchRequest(progress_request=wire.WatchProgressRequest())
                await self._send(call, probe)
        finally:
            if not reading.done():
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, aio.AioRpcError):
                    await reading

    async def _send(self, call: _Call, request: wire.WatchRequest) -> None:
        try:
            async with asyncio.timeout(self._settings.call_timeout_seconds):
                await call.write(request)
        except (TimeoutError, asyncio.InvalidStateError) as error:
            raise StreamEnded("etcd takes no request on the stream") from error

    async def _assess(self, endpoint: Endpoint) -> Assessment:
        """Judge the member's release, and warn of a bad one once."""
        try:
            status = await endpoint.maintenance.Status(
                wire.StatusRequest(), timeout=self._settings.call_timeout_seconds
            )
        except aio.AioRpcError as error:
            raise StreamEnded(f"{error.code().name}, {error.details()}") from error
        assessment = assess(status.version)
        if assessment.warning is not None and status.version not in self._warned:
            self._warned.add(status.version)
            _log.warning("etcd_release", why=assessment.warning)
        return assessment


@dataclass(slots=True)
class WatchReader:
    """Puts responses together; knows what has been told so far."""

    after: Revision
    """The last revision told, or covered by progress."""
    probes_are_exact: bool
    fragments: list[kv_pb2.Event] = field(default_factory=list)

    def take(self, response: wire.WatchResponse) -> Events | None:
        """What a response completes. Raises Compacted and StreamEnded."""
        if response.canceled:
            if response.compact_revision > self.after + 1:
                raise Compacted(Revision(response.compact_revision))
            raise StreamEnded(response.cancel_reason or "etcd cancelled the watch")
        if response.created:
            return None
        # Every response holds whole revisions, in order, once its fragments are put
        # together: what is not past the last one told was told before.
        self.fragments += (e for e in response.events if e.kv.mod_revision > self.after)
        if response.fragment:
            return None
        if self.fragments:
            return self._told()
        if response.events:
            return None
        if response.watch_id != _ANY_WATCH or self.probes_are_exact:
            self.after = max(self.after, Revision(response.header.revision))
        return Events(self.after, ())

    def _told(self) -> Events:
        events = tuple(event_of(event) for event in self.fragments)
        self.after = Revision(self.fragments[-1].kv.mod_revision)
        self.fragments = []
        return Events(self.after, events)


def _create(prefix: str, start: int) -> wire.WatchRequest:
    key = prefix.encode()
    return wire.WatchRequest(
        create_request=wire.WatchCreateRequest(
            key=key,
            range_end=end_of_prefix(key),
            start_revision=start,
            progress_notify=True,
            fragment=True,
        )
    )
