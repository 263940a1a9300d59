"""The port's values <-> etcd's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from shoal_coordinator.registry.etcd.wire import kv_pb2
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.port import (
    Change,
    Changed,
    CreatedAt,
    Delete,
    Event,
    Guard,
    Item,
    LeaseId,
    ModifiedAt,
    Put,
    Removed,
    Revision,
)


def item_of(kv: kv_pb2.KeyValue) -> Item:
    return Item(
        key=kv.key.decode(),
        value=kv.value,
        create_revision=Revision(kv.create_revision),
        mod_revision=Revision(kv.mod_revision),
        lease=LeaseId(kv.lease),
    )


def event_of(event: kv_pb2.Event) -> Event:
    if event.type == kv_pb2.Event.DELETE:
        return Removed(event.kv.key.decode(), Revision(event.kv.mod_revision))
    return Changed(item_of(event.kv))


def transaction(
    guards: Sequence[Guard], changes: Sequence[Change], on_loss_read: Sequence[str]
) -> wire.TxnRequest:
    return wire.TxnRequest(
        compare=[_compare(guard) for guard in guards],
        success=[_operation(change) for change in changes],
        failure=[
            wire.RequestOp(request_range=wire.RangeRequest(key=key.encode()))
            for key in on_loss_read
        ],
    )


def found_in(response: wire.TxnResponse) -> tuple[Item, ...]:
    return tuple(item_of(kv) for answer in response.responses for kv in answer.response_range.kvs)


def _compare(guard: Guard) -> wire.Compare:
    match guard:
        case CreatedAt(key, revision):
            return wire.Compare(
                result=wire.Compare.EQUAL,
                target=wire.Compare.CREATE,
                key=key.encode(),
                create_revision=revision,
            )
        case ModifiedAt(key, revision):
            return wire.Compare(
                result=wire.Compare.EQUAL,
                target=wire.Compare.MOD,
                key=key.encode(),
                mod_revision=revision,
            )
        case _:
            assert_never(guard)


def _operation(change: Change) -> wire.RequestOp:
    match change:
        case Put(key, value, lease):
            put = wire.PutRequest(key=key.encode(), value=value, lease=lease)
            return wire.RequestOp(request_put=put)
        case Delete(key):
            return wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=key.encode()))
        case _:
            assert_never(change)
