"""What a rebalance came to, and its form in the registry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shoal.v1 import registry_pb2 as pb
from shoal_coordinator.registry.codec import RecordCorrupt, parsed, to_bytes
from shoal_coordinator.registry.records import NodeId, PartitionId


class MoveKind(StrEnum):
    COPY = "copy"
    """A node got a copy in place of another's."""
    REPAIR = "repair"
    """A node got a copy where one was lacking."""
    HAND_OVER = "hand_over"
    """A partition was handed from one node to another that had a copy."""


class Outcome(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Move:
    """``source``: who served the partition. ``took_ms`` since it was first seen under way."""

    partition: PartitionId
    kind: MoveKind
    source: NodeId
    target: NodeId
    took_ms: int


@dataclass(frozen=True, slots=True)
class NodeTraffic:
    """What one node had to do with it."""

    node: NodeId
    copies_received: int = 0
    hand_overs_received: int = 0
    hand_overs_given: int = 0
    snapshot_bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class WorstLatency:
    """A 99th percentile that is at most so long, and more than half of it."""

    node: NodeId
    method: str
    at_most_ns: int


@dataclass(frozen=True, slots=True)
class RebalanceReport:
    """``ended_unix_ms`` is 0 exactly while it is running. ``moves`` are the first of them."""

    number: int
    began_unix_ms: int
    ended_unix_ms: int = 0
    outcome: Outcome = Outcome.RUNNING
    copies: int = 0
    repairs: int = 0
    hand_overs: int = 0
    moves: tuple[Move, ...] = ()
    snapshot_bytes: int = 0
    nodes: tuple[NodeTraffic, ...] = ()
    worst_p99: WorstLatency | None = None
    leaders: int = 1
    """How many carried it on."""

    @property
    def is_running(self) -> bool:
        return self.outcome is Outcome.RUNNING


_KIND_TO_PB = {
    MoveKind.COPY: pb.MOVE_KIND_COPY,
    MoveKind.REPAIR: pb.MOVE_KIND_REPAIR,
    MoveKind.HAND_OVER: pb.MOVE_KIND_HAND_OVER,
}
_OUTCOME_TO_PB = {
    Outcome.RUNNING: pb.REBALANCE_OUTCOME_RUNNING,
    Outcome.DONE: pb.REBALANCE_OUTCOME_DONE,
    Outcome.CANCELLED: pb.REBALANCE_OUTCOME_CANCELLED,
}
_KIND_FROM_PB = {wire: kind for kind, wire in _KIND_TO_PB.items()}
_OUTCOME_FROM_PB = {wire: outcome for outcome, wire in _OUTCOME_TO_PB.items()}


def encode_report(report: RebalanceReport) -> bytes:
    return to_bytes(report_to_pb(report))


def report_to_pb(report: RebalanceReport) -> pb.RebalanceReport:
    worst = report.worst_p99
    return pb.RebalanceReport(
        number=report.number,
        began_unix_ms=report.began_unix_ms,
        ended_unix_ms=report.ended_unix_ms,
        outcome=_OUTCOME_TO_PB[report.outcome],
        copies=report.copies,
        repairs=report.repairs,
        hand_overs=report.hand_overs,
        moves=[
            pb.Move(
                partition=move.partition,
                kind=_KIND_TO_PB[move.kind],
                source=move.source,
                target=move.target,
                took_ms=move.took_ms,
            )
            for move in report.moves
        ],
        snapshot_bytes=report.snapshot_bytes,
        nodes=[
            pb.NodeTraffic(
                node=it.node,
                copies_received=it.copies_received,
                hand_overs_received=it.hand_overs_received,
                hand_overs_given=it.hand_overs_given,
                snapshot_bytes_sent=it.snapshot_bytes_sent,
            )
            for it in report.nodes
        ],
        worst_p99=None
        if worst is None
        else pb.WorstLatency(node=worst.node, method=worst.method, at_most_ns=worst.at_most_ns),
        leaders=report.leaders,
    )


def decode_report(key: str, value: bytes) -> RebalanceReport:
    message = parsed(key, value, pb.RebalanceReport())
    outcome = _OUTCOME_FROM_PB.get(message.outcome)
    if outcome is None or message.number == 0:
        raise RecordCorrupt(key, "number is missing or outcome is none of those known")
    if any(move.kind not in _KIND_FROM_PB for move in message.moves):
        raise RecordCorrupt(key, "a move's kind is none of those known")
    worst = message.worst_p99
    return RebalanceReport(
        number=message.number,
        began_unix_ms=message.began_unix_ms,
        ended_unix_ms=message.ended_unix_ms,
        outcome=outcome,
        copies=message.copies,
        repairs=message.repairs,
        hand_overs=message.hand_overs,
        moves=tuple(
            Move(
                PartitionId(move.partition),
                _KIND_FROM_PB[move.kind],
                NodeId(move.source),
                NodeId(move.target),
                move.took_ms,
            )
            for move in message.moves
        ),
        snapshot_bytes=message.snapshot_bytes,
        nodes=tuple(
            NodeTraffic(
                NodeId(it.node),
                it.copies_received,
                it.hand_overs_received,
                it.hand_overs_given,
                it.snapshot_bytes_sent,
            )
            for it in message.nodes
        ),
        worst_p99=WorstLatency(NodeId(worst.node), worst.method, worst.at_most_ns)
        if message.HasField("worst_p99")
        else None,
        leaders=message.leaders,
    )
