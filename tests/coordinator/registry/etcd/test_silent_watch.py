"""A member whose connection lives while its watches say nothing: no ping notices it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from grpc import aio

from shoal_coordinator.registry.etcd import EtcdSettings, open_store
from shoal_coordinator.registry.etcd.wire import kv_pb2
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.etcd.wire import rpc_pb2_grpc as stubs
from shoal_coordinator.registry.port import Removed, Revision

HEADER = wire.ResponseHeader(cluster_id=1, revision=7)


class Member(stubs.KVServicer, stubs.WatchServicer, stubs.MaintenanceServicer):
    """Answers reads; its first watch takes every request and tells nothing."""

    def __init__(self) -> None:
        self.creations: list[int] = []
        self.probes = 0

    async def Range(self, request, context) -> wire.RangeResponse:
        return wire.RangeResponse(header=HEADER)

    async def Txn(self, request, context) -> wire.TxnResponse:
        raise AssertionError("nothing is committed here")

    async def Status(self, request, context) -> wire.StatusResponse:
        return wire.StatusResponse(header=HEADER, version="3.7.3")

    async def Watch(self, request_iterator, context) -> AsyncIterator[wire.WatchResponse]:
        async for request in request_iterator:
            if request.WhichOneof("request_union") == "progress_request":
                self.probes += 1
                continue
            self.creations.append(request.create_request.start_revision)
            if len(self.creations) > 1:
                yield wire.WatchResponse(header=HEADER, created=True)
                removed = kv_pb2.KeyValue(key=b"/k", mod_revision=8)
                event = kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=removed)
                yield wire.WatchResponse(header=HEADER, events=[event])


@pytest.fixture
async def member() -> AsyncIterator[tuple[Member, str]]:
    server, servicer = aio.server(), Member()
    stubs.add_KVServicer_to_server(servicer, server)
    stubs.add_WatchServicer_to_server(servicer, server)
    stubs.add_MaintenanceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_a_watch_that_stays_silent_is_probed_and_then_opened_anew(
    member: tuple[Member, str], quick: EtcdSettings
) -> None:
    servicer, url = member
    store = open_store(url, quick)
    async with asyncio.timeout(20), aclosing(store.watch("/", Revision(7))) as watch:
        events = await anext(watch)
    assert events.events == (Removed("/k", Revision(8)),)
    assert servicer.creations == [7, 7]
    assert servicer.probes >= 2
    await store.close()
