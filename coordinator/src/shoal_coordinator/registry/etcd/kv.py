"""Reading a prefix, and committing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shoal_coordinator.registry.etcd.calls import attempt_on, call_with_retries
from shoal_coordinator.registry.etcd.channel import REQUIRE_LEADER
from shoal_coordinator.registry.etcd.continuity import Continuity
from shoal_coordinator.registry.etcd.endpoints import Endpoint, Endpoints
from shoal_coordinator.registry.etcd.errors import call_error, commit_error
from shoal_coordinator.registry.etcd.ranges import after, end_of_prefix
from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.etcd.translate import found_in, item_of, transaction
from shoal_coordinator.registry.etcd.wire import kv_pb2
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Guard,
    Reading,
    Revision,
    StoreUnavailable,
)


class Kv:
    """Linearizable reads and guarded commits."""

    def __init__(
        self, endpoints: Endpoints, settings: EtcdSettings, continuity: Continuity
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._continuity = continuity
        self._commits = asyncio.Semaphore(settings.commits_in_flight_max)

    async def read(self, prefix: str) -> Reading:
        """See ``Store.read``. Pages are read at one revision."""
        return await call_with_retries(
            self._endpoints,
            self._settings,
            call_error,
            lambda endpoint: self._read_pages(endpoint, prefix.encode()),
        )

    async def commit(
        self, guards: Sequence[Guard], changes: Sequence[Change], on_loss_read: Sequence[str]
    ) -> Committed:
        """See ``Store.commit``. Repeated only while nothing was sent or etcd said no."""
        request = transaction(guards, changes, on_loss_read)
        await self._turn()
        try:
            return await call_with_retries(
                self._endpoints,
                self._settings,
                commit_error,
                lambda endpoint: self._commit(endpoint, request),
            )
        finally:
            self._commits.release()

    async def look(self, endpoint: Endpoint, key: str) -> Revision:
        """The store's revision now, by a read on this very endpoint.

        Raises StoreUnavailable and StoreWentBack.
        """
        request = wire.RangeRequest(key=key.encode(), limit=1)
        response = await attempt_on(
            self._endpoints,
            endpoint,
            self._settings,
            call_error,
            lambda on: self._range(on, request),
        )
        return Revision(response.header.revision)

    async def _turn(self) -> None:
        """Wait until one more commit may be on its way. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._settings.give_up_seconds):
                await self._commits.acquire()
        except TimeoutError:
            raise StoreUnavailable(
                f"{self._settings.commits_in_flight_max} commits are waiting for etcd already"
            ) from None

    async def _commit(self, endpoint: Endpoint, request: wire.TxnRequest) -> Committed:
        floor = self._continuity.floor()
        response = await endpoint.kv.Txn(
            request, timeout=self._settings.call_timeout_seconds, metadata=REQUIRE_LEADER
        )
        revision = self._continuity.check(response.header, floor)
        if response.succeeded:
            return Committed(won=True, revision=revision, found=())
        return Committed(won=False, revision=revision, found=found_in(response))

    async def _range(self, endpoint: Endpoint, request: wire.RangeRequest) -> wire.RangeResponse:
        floor = self._continuity.floor()
        response = await endpoint.kv.Range(
            request, timeout=self._settings.call_timeout_seconds, metadata=REQUIRE_LEADER
        )
        self._continuity.check(response.header, floor)
        return response

    async def _read_pages(self, endpoint: Endpoint, prefix: bytes) -> Reading:
        request = wire.RangeRequest(
            key=prefix, range_end=end_of_prefix(prefix), limit=self._settings.items_per_page
        )
        kvs: list[kv_pb2.KeyValue] = []
        while True:
            response = await self._range(endpoint, request)
            kvs += response.kvs
            if request.revision == 0:
                request.revision = response.header.revision
            if not response.more:
                return Reading(Revision(request.revision), tuple(item_of(kv) for kv in kvs))
            request.key = after(response.kvs[-1].key)
