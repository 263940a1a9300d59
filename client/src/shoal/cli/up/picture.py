"""The cluster as ``up`` shows it at one moment: pure functions of what was observed.

``picture`` draws it, ``changes`` tells what is different from the one before, in
sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shoal.cli.figures import Rates, Reading
from shoal.cli.ownership import Ownership
from shoal.cli.up.plan import ClusterPlan, NodePlan
from shoal.cli.up.supervised import Ended, ProcessState, Running


class NodeState(StrEnum):
    SERVING = "serving"
    JOINING = "joining"
    """It answers, and is not registered."""
    FENCED = "fenced"
    """Its lease ran out: it refuses writes and primary reads."""
    SILENT = "silent"
    """The process lives and does not answer."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """``note`` says more about the state. None: not known now."""

    id: str
    zone: str
    address: str
    pid: int | None
    state: NodeState
    note: str
    primaries: int | None
    replicas: int | None
    reading: Reading | None
    rates: Rates


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process that is not a node."""

    name: str
    is_up: bool
    note: str


@dataclass(frozen=True, slots=True)
class Picture:
    """``unserved`` is None when no node tells."""

    nodes: tuple[NodeRow, ...]
    others: tuple[ProcessRow, ...]
    partition_count: int
    unserved: int | None


@dataclass(frozen=True, slots=True)
class NodeSight:
    """What was seen of a node: its latest reading, and the rates up to it."""

    reading: Reading | None
    rates: Rates


def picture(
    plan: ClusterPlan,
    states: Mapping[str, ProcessState],
    sights: Mapping[str, NodeSight],
    ownership: Ownership | None,
) -> Picture:
    return Picture(
        nodes=tuple(
            _node_row(node, states[node.id], sights.get(node.id), ownership) for node in plan.nodes
        ),
        others=tuple(
            _process_row(name, states[name])
            for name in (plan.etcd.spec.name, *(item.spec.name for item in plan.coordinators))
        ),
        partition_count=0 if ownership is None else ownership.partition_count,
        unserved=None if ownership is None else len(ownership.unserved),
    )


def changes(before: Picture | None, after: Picture) -> list[str]:
    """What to tell of a new picture; all of it when there was none before."""
    sentences = []
    nodes_before = {} if before is None else {row.id: row for row in before.nodes}
    for row in after.nodes:
        earlier = nodes_before.get(row.id)
        if earlier is None or (earlier.state, earlier.note) != (row.state, row.note):
            note = f" ({row.note})" if row.note else ""
            sentences.append(f"{row.id} at {row.address} is {row.state}{note}")
    others_before = {} if before is None else {row.name: row for row in before.others}
    sentences += [
        f"{other.name} {'is up' if other.is_up else other.note}"
        for other in after.others
        if others_before.get(other.name) != other
    ]
    if before is None or before.unserved != after.unserved:
        sentences.append(partitions_sentence(after))
    return sentences


def partitions_sentence(seen: Picture) -> str:
    match seen.unserved:
        case None:
            return "no node tells who serves the partitions"
        case 0:
            return f"all {seen.partition_count} partitions are served"
        case unserved:
            return f"{unserved} of {seen.partition_count} partitions are not served"


def _node_row(
    node: NodePlan, process: ProcessState, sight: NodeSight | None, ownership: Ownership | None
) -> NodeRow:
    reading = sight.reading if sight is not None and isinstance(process, Running) else None
    state = _node_state(process, reading, node.id, ownership)
    return NodeRow(
        id=node.id,
        zone=node.zone,
        address=node.address,
        pid=process.pid if isinstance(process, Running) else None,
        state=state,
        note=process.how if isinstance(process, Ended) else "",
        primaries=None if ownership is None else ownership.primaries_of(node.id),
        replicas=None if ownership is None else ownership.replicas_of(node.id),
        reading=reading,
        rates=sight.rates if sight is not None and reading is not None else Rates(None, None),
    )


def _node_state(
    process: ProcessState, reading: Reading | None, node: str, ownership: Ownership | None
) -> NodeState:
    if isinstance(process, Ended):
        return NodeState.DOWN
    if reading is None:
        return NodeState.SILENT
    remaining_seconds = reading.figures.lease_remaining_seconds
    if remaining_seconds is not None and remaining_seconds <= 0:
        return NodeState.FENCED
    if ownership is not None and node not in ownership.live:
        return NodeState.JOINING
    return NodeState.SERVING


def _process_row(name: str, state: ProcessState) -> ProcessRow:
    if isinstance(state, Ended):
        return ProcessRow(name, is_up=False, note=state.how)
    return ProcessRow(name, is_up=True, note="")
