"""A partition's record to its JSON and back, as protobuf would, and quickly.

Every process decodes every record that any of them writes, and protobuf's reader of JSON
takes a tenth of a millisecond for one, while requests wait for a hand-over; its writer
takes half of that. What is not written exactly so (a hand's edit, another release's fields,
escapes) is not read here: protobuf's reader says what it means (``codec``).
"""

from __future__ import annotations

from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Incarnation,
    NodeId,
    PartitionId,
    PartitionRecord,
)

_FIELDS = frozenset(
    {
        "partition",
        "epoch",
        "primary",
        "primary_incarnation",
        "replicas",
        "in_sync",
        "preference",
        "handoff_to",
    }
)
_COPY_FIELDS = {"node", "copy_id"}
_UINT32_END = 1 << 32
_EPOCH_DIGITS_MAX = 18


class _Unusual(Exception):
    """Something that this release does not write."""


def fields_of(record: PartitionRecord) -> dict[str, object]:
    """The JSON object: protobuf leaves out what is 0 or empty, and orders by field number."""
    primary = record.primary
    fields = {
        "partition": record.partition,
        # 64 bits are a string in protobuf's JSON.
        "epoch": str(record.epoch) if record.epoch else None,
        "primary": None if primary is None else _fields_of_copy(primary),
        "primary_incarnation": record.primary_incarnation,
        "replicas": record.replicas,
        "in_sync": [_fields_of_copy(copy) for copy in record.in_sync],
        "preference": record.preference,
        "handoff_to": record.handoff_to,
    }
    return {name: value for name, value in fields.items() if value}


def _fields_of_copy(copy: Copy) -> dict[str, str]:
    return {"node": copy.node, "copy_id": copy.copy_id}


def is_plain(value: bytes) -> bool:
    """Whether its strings are what stands between their quotes."""
    return value.isascii() and b"\\" not in value


def taken_record(fields: dict[str, object]) -> PartitionRecord | None:
    """The record of a partition that somebody has taken; None: let protobuf read it.

    ``fields``: the decoded JSON object of a value that ``is_plain``.
    """
    if not fields.keys() <= _FIELDS:
        return None
    try:
        primary = _copy(fields.get("primary"))
        in_sync = tuple(_copy(it) for it in _list(fields.get("in_sync")))
        if primary not in in_sync:
            return None
        handoff_to = fields.get("handoff_to")
        return PartitionRecord(
            partition=_partition(fields.get("partition", 0)),
            epoch=_epoch(fields.get("epoch")),
            primary=primary,
            primary_incarnation=Incarnation(_text(fields.get("primary_incarnation"))),
            replicas=_nodes(fields.get("replicas", [])),
            in_sync=in_sync,
            preference=_nodes(fields.get("preference", [])),
            handoff_to=None if handoff_to is None else NodeId(_text(handoff_to)),
        )
    except _Unusual:
        return None


def _text(value: object) -> str:
    if type(value) is not str or not value:
        raise _Unusual
    return value


def _list(value: object) -> list[object]:
    if type(value) is not list:
        raise _Unusual
    return value


def _nodes(value: object) -> tuple[NodeId, ...]:
    return tuple(NodeId(_text(it)) for it in _list(value))


def _copy(value: object) -> Copy:
    if type(value) is not dict or value.keys() != _COPY_FIELDS:
        raise _Unusual
    return Copy(NodeId(_text(value["node"])), CopyId(_text(value["copy_id"])))


def _partition(value: object) -> PartitionId:
    if type(value) is not int or not 0 <= value < _UINT32_END:
        raise _Unusual
    return PartitionId(value)


def _epoch(value: object) -> Epoch:
    """64 bits are a string in protobuf's JSON."""
    text = _text(value)
    if not text.isdecimal() or text[0] == "0" or len(text) > _EPOCH_DIGITS_MAX:
        raise _Unusual
    return Epoch(int(text))
