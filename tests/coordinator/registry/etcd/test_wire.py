"""The numbers in ``coordinator/protos`` are etcd's: what a real one answers is read in full.

The conformance suite covers what the store uses; here stands what it would not miss.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from grpc import aio

from etcd_process import EtcdProcess
from shoal_coordinator.registry.etcd.ranges import end_of_prefix
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.etcd.wire import rpc_pb2_grpc as stubs

pytestmark = pytest.mark.etcd
PREFIX = b"/wire/"


@pytest.fixture
async def channel(shared_etcd: EtcdProcess) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(shared_etcd.url.removeprefix("http://")) as opened:
        yield opened


def unread(message: object) -> list[int]:
    """Field numbers that etcd sent and the proto does not name."""
    return [field.field_number for field in UnknownFieldSet(message)]


def put(key: bytes, value: bytes) -> wire.TxnRequest:
    request = wire.PutRequest(key=key, value=value)
    return wire.TxnRequest(success=[wire.RequestOp(request_put=request)])


async def test_the_version_is_the_binarys(channel: aio.Channel, shared_etcd: EtcdProcess) -> None:
    status = await stubs.MaintenanceStub(channel).Status(wire.StatusRequest(), timeout=5)
    process = await asyncio.create_subprocess_exec(
        shared_etcd.binary, "--version", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    match = re.search(rb"etcd Version: (\S+)", said)
    assert match is not None
    assert status.version == match[1].decode()


async def test_answers_hold_nothing_that_is_left_out_by_mistake(channel: aio.Channel) -> None:
    """What is left out on purpose: raft_term 4, version 4 of a key, count 4 of a range."""
    kv = stubs.KVStub(channel)
    committed = await kv.Txn(put(PREFIX + b"a", b"1"), timeout=5)
    assert committed.succeeded
    assert unread(committed) == []
    assert unread(committed.header) == [4]
    assert committed.responses[0].WhichOneof("response") == "response_put"
    read = await kv.Range(
        wire.RangeRequest(key=PREFIX, range_end=end_of_prefix(PREFIX), limit=1), timeout=5
    )
    assert unread(read) == [4]
    assert unread(read.kvs[0]) == [4]
    lease = stubs.LeaseStub(channel)
    granted = await lease.LeaseGrant(wire.LeaseGrantRequest(TTL=60), timeout=5)
    assert (granted.TTL, unread(granted)) == (60, [])
    revoked = await lease.LeaseRevoke(wire.LeaseRevokeRequest(ID=granted.ID), timeout=5)
    assert unread(revoked) == []


async def test_a_large_answer_to_a_watch_comes_in_fragments(channel: aio.Channel) -> None:
    kv = stubs.KVStub(channel)
    first = await kv.Txn(put(PREFIX + b"0", b""), timeout=5)
    for number in range(12):
        await kv.Txn(put(PREFIX + b"%d" % number, bytes(600_000)), timeout=5)
    call = stubs.WatchStub(channel).Watch(timeout=20)
    create = wire.WatchCreateRequest(
        key=PREFIX,
        range_end=end_of_prefix(PREFIX),
        start_revision=first.header.revision,
        fragment=True,
    )
    await call.write(wire.WatchRequest(create_request=create))
    fragments, events = [], 0
    while events < 13:
        response = await call.read()
        assert isinstance(response, wire.WatchResponse)
        assert unread(response) == []
        events += len(response.events)
        fragments.append(response.fragment)
    call.cancel()
    assert True in fragments
    assert fragments[-1] is False
