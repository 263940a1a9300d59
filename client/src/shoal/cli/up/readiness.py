"""Whether the cluster is ready: a pure function of what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shoal.cli.ownership import Ownership
from shoal.cli.up.plan import ClusterPlan
from shoal.cli.up.supervised import Ended, ProcessState


@dataclass(frozen=True, slots=True)
class Observation:
    """``serving``: ids of the nodes whose health check says so for ``shoal.v1.Cache``."""

    states: Mapping[str, ProcessState]
    serving: frozenset[str]
    ownership: Ownership | None


@dataclass(frozen=True, slots=True)
class Ready:
    """Every node serves, and every partition has a live primary."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """``reason`` is a sentence; ``suspects`` are the processes whose logs may tell why."""

    reason: str
    suspects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A process ended while the others were starting."""

    process: str
    reason: str


def lost_process(states: Mapping[str, ProcessState]) -> Lost | None:
    """The first process that ended, if one did."""
    for name, state in states.items():
        if isinstance(state, Ended):
            return Lost(name, f"{name} {state.how}")
    return None


def assess(plan: ClusterPlan, seen: Observation) -> Ready | Waiting | Lost:
    if (lost := lost_process(seen.states)) is not None:
        return lost
    coordinators = tuple(coordinator.spec.name for coordinator in plan.coordinators)
    not_serving = tuple(node.id for node in plan.nodes if node.id not in seen.serving)
    if not_serving:
        return Waiting(f"{', '.join(not_serving)} not serving yet", (*not_serving, *coordinators))
    if seen.ownership is None:
        return Waiting("no node tells the topology yet", tuple(node.id for node in plan.nodes))
    if seen.ownership.partition_count == 0:
        return Waiting("the coordinator has not placed the partitions yet", coordinators)
    absent = tuple(node.id for node in plan.nodes if node.id not in seen.ownership.live)
    if absent:
        return Waiting(f"{', '.join(absent)} not registered yet", absent)
    if seen.ownership.unserved:
        return Waiting(
            f"{len(seen.ownership.unserved)} of {seen.ownership.partition_count} partitions "
            "have no live primary yet",
            (*coordinators, *(node.id for node in plan.nodes)),
        )
    return Ready()


def part_ready(plan: ClusterPlan, seen: Observation) -> float:
    """From 0 to 1: half of it are nodes that serve, half partitions that are served."""
    served = 0.0
    if seen.ownership is not None and seen.ownership.partition_count > 0:
        served = 1.0 - len(seen.ownership.unserved) / seen.ownership.partition_count
    return (len(seen.serving) / len(plan.nodes) + served) / 2
