"""The planner's time and memory at a size: each change planned from the same placement."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoal_coordinator.placement.place import Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.placement.wanted import wanted
from shoal_coordinator.registry.records import NodeId


@dataclass(frozen=True, slots=True)
class Planned:
    """``seconds``: of CPU, the best of ``REPEATS``. ``moves``: copies to be made."""

    change: str
    seconds: float
    moves: int


REPEATS = 5


def planned(nodes: int, partitions: int, replicas: int, zones: int) -> Iterator[Planned]:
    """Plan a new cluster, then some changes of it."""
    members = [_member(number, zones) for number in range(nodes)]
    first, seconds = _best_of(3, Placement(()), members, partitions, replicas)
    yield Planned("a new cluster", seconds, 0)
    new = RingMember(NodeId("new"), 100, "z0")
    some = [RingMember(NodeId(f"new-{it}"), 100, f"z{it % zones}") for it in range(nodes // 10)]
    half = RingMember(members[1].id, 50, members[1].zone)
    changes = {
        "nothing changes": members,
        "a node joins": [*members, new],
        "a node leaves": members[1:],
        "a node's weight is halved": [members[0], half, *members[2:]],
        f"{len(some)} nodes join": [*members, *some],
        f"{len(some)} nodes leave": members[len(some) :],
    }
    for change, then in changes.items():
        after, seconds = _best_of(REPEATS, first, then, partitions, replicas)
        yield Planned(change, seconds, moves(first, after))


def memory_mib(nodes: int, partitions: int, replicas: int, zones: int) -> tuple[float, float]:
    """Return the peak of what a plan and a change allocate, and of the process, in MiB."""
    members = [_member(number, zones) for number in range(nodes)]
    tracemalloc.start()
    first = wanted(Placement(()), members, partitions, replicas)
    wanted(first, members[1:], partitions, replicas)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return peak / 2**20, int(resident.split()[1]) / 1024


def moves(before: Placement, after: Placement) -> int:
    """How many copies are to be made on nodes that had none of that partition."""
    count = 0
    for old, new in zip(before.partitions, after.partitions, strict=True):
        if old is not new:
            had = {*old.preference[: 1 + len(old.replicas)]}
            count += len({*new.preference[: 1 + len(new.replicas)]} - had)
    return count


def _member(number: int, zones: int) -> RingMember:
    return RingMember(NodeId(f"node-{number}"), 100, f"z{number % zones}")


def _best_of(
    repeats: int, before: Placement, members: list[RingMember], partitions: int, replicas: int
) -> tuple[Placement, float]:
    best = float("inf")
    after = before
    for _ in range(repeats):
        began = time.process_time()
        after = wanted(before, members, partitions, replicas)
        best = min(best, time.process_time() - began)
    return after, best
