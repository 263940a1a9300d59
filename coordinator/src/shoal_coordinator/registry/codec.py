"""Registry records <-> the bytes that stand in etcd.

A value is the protobuf JSON form of the message of the same name in
``shoal/v1/registry.proto``, on one line, in UTF-8, with the proto's own field
names. The same record always gives the same bytes, which is what lets a writer
recognise its own write. Fields that a newer release added are ignored.

Non-goal: keeping unknown fields when a record is written again. A record is
always written whole by the release that decides on it.
"""

from __future__ import annotations

import contextlib
import json
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from shoal.v1 import registry_pb2 as pb
from shoal_coordinator.registry.record_json import fields_of, is_plain, taken_record
from shoal_coordinator.registry.records import (
    MINUTES_A_DAY,
    UNTAKEN,
    ClusterConfig,
    CoordinatorLeader,
    Copy,
    CopyId,
    Epoch,
    Eviction,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
    RebalanceMode,
    RebalancePolicy,
    Unclean,
)

_M = TypeVar("_M", bound=Message)

_ON_ONE_LINE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_STATE_TO_PB = {
    MemberState.JOINING: pb.MEMBER_STATE_JOINING,
    MemberState.ACTIVE: pb.MEMBER_STATE_ACTIVE,
    MemberState.DRAINING: pb.MEMBER_STATE_DRAINING,
    MemberState.LEFT: pb.MEMBER_STATE_LEFT,
}
_STATE_FROM_PB = {wire: state for state, wire in _STATE_TO_PB.items()}

_EVICTION_TO_PB = {
    Eviction.S3FIFO: pb.EVICTION_POLICY_S3FIFO,
    Eviction.LRU: pb.EVICTION_POLICY_LRU,
    Eviction.LFU: pb.EVICTION_POLICY_LFU,
    Eviction.NONE: pb.EVICTION_POLICY_NONE,
}
_UNCLEAN_TO_PB = {
    Unclean.CLEAR: pb.UNCLEAN_POLICY_CLEAR,
    Unclean.KEEP: pb.UNCLEAN_POLICY_KEEP,
    Unclean.REFUSE: pb.UNCLEAN_POLICY_REFUSE,
}
_UNCLEAN_FROM_PB = {wire: unclean for unclean, wire in _UNCLEAN_TO_PB.items()}
_EVICTION_FROM_PB = {wire: eviction for eviction, wire in _EVICTION_TO_PB.items()}


_MODE_TO_PB = {
    RebalanceMode.RUNNING: pb.REBALANCE_MODE_RUNNING,
    RebalanceMode.PAUSED: pb.REBALANCE_MODE_PAUSED,
    RebalanceMode.CANCELLED: pb.REBALANCE_MODE_CANCELLED,
}
_MODE_FROM_PB = {
    pb.REBALANCE_MODE_UNSPECIFIED: RebalanceMode.RUNNING,
    **{wire: mode for mode, wire in _MODE_TO_PB.items()},
}


class RecordCorrupt(ValueError):
    """A value in etcd that is not the record its key promises."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(
            f"the value of {key} is not usable: {why}; "
            "it was written by hand or by a release this one does not understand"
        )
        self.key = key
        self.why = why


def to_bytes(message: Message) -> bytes:
    """A message as it stands in etcd."""
    return _one_line(json_format.MessageToDict(message, preserving_proto_field_name=True))


def _one_line(fields: object) -> bytes:
    return _ON_ONE_LINE.encode(fields).encode()


def parsed(key: str, value: bytes, message: _M) -> _M:
    """Fill ``message`` from what stands under a key. Raises RecordCorrupt."""
    try:
        fields = json.loads(value)
        if not isinstance(fields, dict):
            raise RecordCorrupt(key, "it is not a JSON object")
        return json_format.ParseDict(fields, message, ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, RecordCorrupt):
            raise
        raise RecordCorrupt(key, str(error)) from error


def encode_config(config: ClusterConfig) -> bytes:
    return to_bytes(config_to_pb(config))


def config_to_pb(config: ClusterConfig) -> pb.ClusterConfig:
    return pb.ClusterConfig(
        partition_count=config.partition_count,
        replica_count=config.replica_count,
        lease_ttl_seconds=config.lease_ttl_seconds,
        bootstrap_nodes=config.bootstrap_nodes,
        cluster_id=config.cluster_id,
        eviction=_EVICTION_TO_PB[config.eviction],
        min_in_sync=config.min_in_sync,
        unclean=_UNCLEAN_TO_PB[config.unclean],
        snapshot_bytes_per_second=config.snapshot_bytes_per_second,
        rebalance=_rebalance_to_pb(config.rebalance),
        # Left out where nodes join by themselves, as in clusters of before.
        auto_join=None if config.auto_join else False,
        protocol=config.protocol,
    )


def _rebalance_to_pb(policy: RebalancePolicy) -> pb.RebalancePolicy | None:
    """Left out where it is the usual one, which a newer release may change."""
    if policy == RebalancePolicy():
        return None
    return pb.RebalancePolicy(
        mode=_MODE_TO_PB[policy.mode],
        moves_max=policy.moves_max,
        moves_per_node_max=policy.moves_per_node_max,
        moves_per_zone_pair_max=policy.moves_per_zone_pair_max,
        repairs_max=policy.repairs_max,
        window_from_minute=policy.window_from_minute,
        window_minutes=policy.window_minutes,
        below_max=policy.below_max,
        abort_on_lost_node=policy.abort_on_lost_node,
        cancelled_for=policy.cancelled_for,
    )


def rebalance_mode_from_pb(wire: pb.RebalanceMode.ValueType) -> RebalanceMode | None:
    """The mode of this number; ``None`` where it is not known here."""
    return _MODE_FROM_PB.get(wire)


def _rebalance_from_pb(key: str, message: pb.RebalancePolicy) -> RebalancePolicy:
    mode = rebalance_mode_from_pb(message.mode)
    if mode is None:
        raise RecordCorrupt(key, "rebalance.mode is none of those known")
    if max(message.window_from_minute + 1, message.window_minutes) > MINUTES_A_DAY:
        raise RecordCorrupt(key, "rebalance's window is not within a day")
    usual = RebalancePolicy()
    return RebalancePolicy(
        mode=mode,
        moves_max=message.moves_max or usual.moves_max,
        moves_per_node_max=message.moves_per_node_max or usual.moves_per_node_max,
        moves_per_zone_pair_max=message.moves_per_zone_pair_max or usual.moves_per_zone_pair_max,
        repairs_max=message.repairs_max or usual.repairs_max,
        window_from_minute=message.window_from_minute,
        window_minutes=message.window_minutes,
        below_max=message.below_max,
        abort_on_lost_node=message.abort_on_lost_node,
        cancelled_for=message.cancelled_for,
    )


def decode_config(key: str, value: bytes) -> ClusterConfig:
    message = parsed(key, value, pb.ClusterConfig())
    if message.partition_count == 0:
        raise RecordCorrupt(key, "partition_count is 0")
    eviction = eviction_from_pb(message.eviction)
    if eviction is None and message.eviction != pb.EVICTION_POLICY_UNSPECIFIED:
        raise RecordCorrupt(key, "eviction is none of those known")
    unclean = unclean_from_pb(message.unclean)
    if unclean is None and message.unclean != pb.UNCLEAN_POLICY_UNSPECIFIED:
        raise RecordCorrupt(key, "unclean is none of those known")
    return ClusterConfig(
        partition_count=message.partition_count,
        replica_count=message.replica_count,
        lease_ttl_seconds=message.lease_ttl_seconds,
        bootstrap_nodes=message.bootstrap_nodes,
        cluster_id=message.cluster_id,
        eviction=eviction or Eviction.S3FIFO,
        min_in_sync=message.min_in_sync or 1,
        unclean=unclean or Unclean.CLEAR,
        snapshot_bytes_per_second=message.snapshot_bytes_per_second,
        rebalance=_rebalance_from_pb(key, message.rebalance),
        auto_join=message.auto_join if message.HasField("auto_join") else True,
        protocol=message.protocol or 1,
    )


def eviction_from_pb(wire: pb.EvictionPolicy.ValueType) -> Eviction | None:
    """The policy of this number; ``None`` where it is unspecified or not known here."""
    return _EVICTION_FROM_PB.get(wire)


def unclean_from_pb(wire: pb.UncleanPolicy.ValueType) -> Unclean | None:
    """The policy of this number; ``None`` where it is unspecified or not known here."""
    return _UNCLEAN_FROM_PB.get(wire)


def encode_registration(registration: NodeRegistration) -> bytes:
    return to_bytes(
        pb.NodeRegistration(
            id=registration.id,
            address=registration.address,
            zone=registration.zone,
            weight=registration.weight,
            incarnation=registration.incarnation,
            version=registration.version,
            metrics_url=registration.metrics_url,
            leaving=registration.leaving,
        )
    )


def decode_registration(key: str, value: bytes) -> NodeRegistration:
    message = parsed(key, value, pb.NodeRegistration())
    if not message.id or not message.address or not message.incarnation:
        raise RecordCorrupt(key, "id, address or incarnation is missing")
    return NodeRegistration(
        id=NodeId(message.id),
        address=message.address,
        zone=message.zone,
        weight=message.weight,
        incarnation=Incarnation(message.incarnation),
        version=message.version,
        metrics_url=message.metrics_url,
        leaving=message.leaving,
    )


def encode_member(member: Member) -> bytes:
    return to_bytes(member_to_pb(member))


def member_to_pb(member: Member) -> pb.Member:
    return pb.Member(
        id=member.id,
        state=_STATE_TO_PB[member.state],
        weight=member.weight,
        zone=member.zone,
        weight_is_set=member.weight_is_set,
    )


def decode_member(key: str, value: bytes) -> Member:
    message = parsed(key, value, pb.Member())
    state = _STATE_FROM_PB.get(message.state)
    if not message.id or state is None:
        raise RecordCorrupt(key, "id is missing or state is none of those known")
    return Member(
        id=NodeId(message.id),
        state=state,
        weight=message.weight,
        zone=message.zone,
        weight_is_set=message.weight_is_set,
    )


def encode_partition(record: PartitionRecord) -> bytes:
    return _one_line(fields_of(record))


def partition_to_pb(record: PartitionRecord) -> pb.PartitionRecord:
    return pb.PartitionRecord(
        partition=record.partition,
        epoch=record.epoch,
        primary=None if record.primary is None else _copy_to_pb(record.primary),
        primary_incarnation=record.primary_incarnation or "",
        replicas=record.replicas,
        in_sync=[_copy_to_pb(copy) for copy in record.in_sync],
        preference=record.preference,
        handoff_to=record.handoff_to or "",
    )


def decode_partition(key: str, value: bytes) -> PartitionRecord:
    if is_plain(value):
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(value)
            record = taken_record(fields) if isinstance(fields, dict) else None
            if record is not None:
                return record
    message = parsed(key, value, pb.PartitionRecord())
    primary = _copy_from_pb(message.primary) if message.HasField("primary") else None
    in_sync = tuple(_copy_from_pb(copy) for copy in message.in_sync)
    epoch = Epoch(message.epoch)
    taken = epoch != UNTAKEN
    if taken != (primary is not None) or taken != bool(message.primary_incarnation):
        raise RecordCorrupt(key, "epoch, primary and primary_incarnation contradict each other")
    if primary is not None and primary not in in_sync:
        raise RecordCorrupt(key, "the primary's copy is not in sync")
    return PartitionRecord(
        partition=PartitionId(message.partition),
        epoch=epoch,
        primary=primary,
        primary_incarnation=Incarnation(message.primary_incarnation) if taken else None,
        replicas=tuple(NodeId(node) for node in message.replicas),
        in_sync=in_sync,
        preference=tuple(NodeId(node) for node in message.preference),
        handoff_to=NodeId(message.handoff_to) if message.handoff_to else None,
    )


def _copy_to_pb(copy: Copy) -> pb.Copy:
    return pb.Copy(node=copy.node, copy_id=copy.copy_id)


def _copy_from_pb(message: pb.Copy) -> Copy:
    return Copy(node=NodeId(message.node), copy_id=CopyId(message.copy_id))


def encode_leader(leader: CoordinatorLeader) -> bytes:
    return to_bytes(pb.CoordinatorLeader(id=leader.id, address=leader.address))


def decode_leader(key: str, value: bytes) -> CoordinatorLeader:
    message = parsed(key, value, pb.CoordinatorLeader())
    if not message.id:
        raise RecordCorrupt(key, "id is missing")
    return CoordinatorLeader(id=message.id, address=message.address)
