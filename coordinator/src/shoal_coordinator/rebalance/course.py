"""The course of one rebalance: from outlook to outlook, and into its report. Pure.

A rebalance begins when something is to be moved and may be, and ends when nothing is left
to move, or it is cancelled, and nothing is under way any more. Changes of the members
meanwhile are part of it. What another leader finds unfinished it carries on.

Bytes are the nodes' own counters of what they sent, so they are what was on the wire; what
a node sent after the last look before it died is not among them, nor what was sent while
nobody led.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from shoal_coordinator.rebalance.outlook import Outlook
from shoal_coordinator.registry.records import NodeId, PartitionId
from shoal_coordinator.registry.reports import (
    Move,
    MoveKind,
    NodeTraffic,
    Outcome,
    RebalanceReport,
    WorstLatency,
)
from shoal_coordinator.survey.figures import Survey, grown, p99_ns

MOVES_TOLD_MAX = 256
_METHOD = "Get"
"""Whose latency is told: what applications wait for most."""


@dataclass(frozen=True, slots=True)
class Course:
    """``since_ms``: when partitions were first seen on their way, on a clock that never falls."""

    report: RebalanceReport
    outlook: Outlook
    since_ms: Mapping[PartitionId, int] = field(default_factory=dict)


def begun(number: int, outlook: Outlook, unix_ms: int, now_ms: int) -> Course:
    return Course(RebalanceReport(number, unix_ms), outlook, _since(outlook, {}, now_ms))


def carried_on(report: RebalanceReport, outlook: Outlook, now_ms: int) -> Course:
    """By another leader."""
    assert report.is_running
    report = replace(report, leaders=report.leaders + 1)
    return Course(report, outlook, _since(outlook, {}, now_ms))


def went_on(course: Course, outlook: Outlook, now_ms: int) -> Course:
    """With what has ended since the last outlook."""
    report = course.report
    ended = [*_ended(course, outlook, now_ms)]
    room = MOVES_TOLD_MAX - len(report.moves)
    report = replace(
        report,
        copies=report.copies + sum(move.kind is MoveKind.COPY for move in ended),
        repairs=report.repairs + sum(move.kind is MoveKind.REPAIR for move in ended),
        hand_overs=report.hand_overs + sum(move.kind is MoveKind.HAND_OVER for move in ended),
        moves=(*report.moves, *ended[:room]),
        nodes=_with_moves(report.nodes, ended),
    )
    return Course(report, outlook, _since(outlook, course.since_ms, now_ms))


def surveyed(course: Course, before: Survey, after: Survey) -> Course:
    """With what nodes sent, and how long requests took, between two looks at them."""
    report = course.report
    nodes = {it.node: it for it in report.nodes}
    worst, total = report.worst_p99, report.snapshot_bytes
    for node, figures in sorted(after.nodes.items()):
        earlier = before.nodes.get(node)
        if earlier is None and node in before.silent:
            # How much of it was sent before is not known.
            continue
        sent = int(grown(earlier, figures, "snapshot_bytes"))
        if sent:
            total += sent
            it = nodes.get(node, NodeTraffic(node))
            nodes[node] = replace(it, snapshot_bytes_sent=it.snapshot_bytes_sent + sent)
        p99 = None if earlier is None else p99_ns(earlier, figures, _METHOD)
        if p99 is not None and (worst is None or p99 > worst.at_most_ns):
            worst = WorstLatency(node, _METHOD, p99)
    ordered = tuple(nodes[node] for node in sorted(nodes))
    return replace(
        course, report=replace(report, nodes=ordered, snapshot_bytes=total, worst_p99=worst)
    )


def ended(course: Course, outcome: Outcome, unix_ms: int) -> RebalanceReport:
    return replace(course.report, outcome=outcome, ended_unix_ms=unix_ms)


def _ended(course: Course, now: Outlook, now_ms: int) -> Iterator[Move]:
    before = course.outlook
    for (partition, target), copy in sorted(before.copies.items()):
        if (partition, target) not in now.copies and target in now.there_of.get(partition, ()):
            kind = MoveKind.REPAIR if copy.is_repair else MoveKind.COPY
            took_ms = now_ms - course.since_ms.get(partition, now_ms)
            yield Move(partition, kind, copy.source, target, took_ms)
    for partition, due in sorted(before.hand_overs.items()):
        if now.primaries.get(partition) == due.target:
            took_ms = now_ms - course.since_ms.get(partition, now_ms)
            yield Move(partition, MoveKind.HAND_OVER, due.source, due.target, took_ms)


def _with_moves(nodes: tuple[NodeTraffic, ...], moves: list[Move]) -> tuple[NodeTraffic, ...]:
    by_node = {it.node: it for it in nodes}

    def count(node: NodeId, name: str) -> None:
        it = by_node.get(node, NodeTraffic(node))
        by_node[node] = replace(it, **{name: getattr(it, name) + 1})

    for move in moves:
        if move.kind is MoveKind.HAND_OVER:
            count(move.source, "hand_overs_given")
            count(move.target, "hand_overs_received")
        else:
            count(move.target, "copies_received")
    return tuple(by_node[node] for node in sorted(by_node))


def _since(
    outlook: Outlook, before: Mapping[PartitionId, int], now_ms: int
) -> Mapping[PartitionId, int]:
    return {partition: before.get(partition, now_ms) for partition in outlook.flights}
