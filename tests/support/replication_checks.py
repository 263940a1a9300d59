"""What replication promises, checked in a simulation: writes of both levels, and deletes.

A client of its own writes to whoever would acknowledge it. What it was told is held
against every copy that may become primary, and against every one that does:

1. A copy that the record names as in sync, and that lives, has every write that was
   acknowledged IN_SYNC since the partition last started empty.
2. So has a copy that begins to serve with its data; and nothing in it brings back what
   an acknowledged delete removed.
3. After a hand-over the new primary has every write that the old one acknowledged, of
   either level.
4. A partition starts empty only when no copy in sync is left that could serve.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import Copy, Incarnation, NodeId, PartitionRecord
from shoal_node.data_plane_memory import MemoryDataPlane

ANSWER_SECONDS_MAX = 2.0


class Run(Protocol):
    """One run of one node, as the checks see it."""

    node: NodeId
    incarnation: Incarnation

    @property
    def plane(self) -> MemoryDataPlane: ...


@dataclass(slots=True)
class Told:
    """What a client was told of one partition since it last started empty."""

    in_sync: set[tuple[int, bytes]] = field(default_factory=set)
    """(epoch, key) of the writes that were acknowledged by every copy in sync."""
    deleted: set[bytes] = field(default_factory=set)
    by_primary: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """By epoch, the keys of writes that the primary acknowledged."""
    present: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """A write that is applied, and whose IN_SYNC answer has not come."""

    run: Run
    partition: int
    version: tuple[int, int]
    key: bytes
    is_delete: bool
    until: float


class ReplicationChecks:
    """The client, and what it holds against the cluster."""

    def __init__(self, partitions: int, rng: random.Random, broken: list[str]) -> None:
        self.counts = {"in sync": 0, "primary": 0, "deletes": 0, "promotions": 0, "handed": 0}
        self._partitions = partitions
        self._rng = rng
        self._broken = broken
        self._numbers = itertools.count()
        self._told: dict[int, Told] = defaultdict(Told)
        self._waiting: list[_Waiting] = []
        self._epochs: dict[int, int] = defaultdict(int)
        self._handed: dict[tuple[int, int], int] = {}
        """(partition, new epoch) of hand-overs, and the epoch before."""

    # The client.

    def write_something(self, runs: Iterable[Run], now: float) -> None:
        partition = self._rng.randrange(self._partitions)
        told = self._told[partition]
        for run in runs:
            in_sync = self._rng.random() < 0.7
            if run.plane.refusal(partition, in_sync=in_sync) is not None:
                continue
            is_delete = in_sync and bool(told.present) and self._rng.random() < 0.3
            key = told.present.pop() if is_delete else b"k%d" % next(self._numbers)
            value = None if is_delete else b"v"
            version = run.plane.write(partition, key, value)
            if in_sync:
                until = now + ANSWER_SECONDS_MAX
                self._waiting.append(_Waiting(run, partition, version, key, is_delete, until))
            else:
                told.by_primary[version[0]].add(key)
                self.counts["primary"] += 1

    def take_answers(self, runs: Iterable[Run], now: float) -> None:
        """See which writes are acknowledged by now."""
        alive = {id(run) for run in runs}
        waiting, self._waiting = self._waiting, []
        for it in waiting:
            acknowledged = (
                it.run.plane.is_replicated(it.partition, it.version)
                if id(it.run) in alive
                else None
            )
            if acknowledged:
                self._acknowledged(it)
            elif acknowledged is not None and now < it.until:
                self._waiting.append(it)

    def _acknowledged(self, it: _Waiting) -> None:
        told = self._told[it.partition]
        told.in_sync.add((it.version[0], it.key))
        told.by_primary[it.version[0]].add(it.key)
        self.counts["in sync"] += 1
        if it.is_delete:
            told.deleted.add(it.key)
            self.counts["deletes"] += 1
        else:
            told.present.append(it.key)

    # What must hold.

    def opened(self, partition: int) -> None:
        """It starts empty. Whether it may is checked when its record is written."""
        self._told[partition] = Told()
        self._waiting = [it for it in self._waiting if it.partition != partition]

    def promoted(self, run: Run, partition: int, epoch: int) -> None:
        """A copy begins to serve with its data."""
        copy = run.plane.copy(partition)
        assert copy is not None
        self.counts["promotions"] += 1
        if epoch < self._epochs[partition]:
            # It learnt too late that it had won, and acknowledges nothing any more.
            return
        self._check_has_all(run.plane, partition, f"{run.node} serves it at epoch {epoch}")
        entries = copy.entries()
        back = self._told[partition].deleted & entries.keys()
        self._expect(
            not back, f"partition {partition}: {sorted(back)[:3]} were deleted, and are back"
        )
        before = self._handed.get((partition, epoch))
        if before is not None:
            self.counts["handed"] += 1
            lost = self._told[partition].by_primary[before] - {it.key for it in copy.log}
            self._expect(
                not lost, f"partition {partition}: {sorted(lost)[:3]} were lost by a hand-over"
            )

    def wrote(
        self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord, runs: list[Run]
    ) -> None:
        """A record was written over another."""
        assert new.primary is not None
        self._epochs[new.partition] = new.epoch
        if new.epoch == old.epoch:
            return
        if new.primary in old.in_sync and by == old.primary_incarnation:
            self._handed[(new.partition, new.epoch)] = old.epoch
        if old.primary is not None and new.primary not in old.in_sync:
            left = [copy for copy in old.in_sync if _could_serve(copy, new.partition, runs)]
            left = [copy for copy in left if copy != old.primary or by != old.primary_incarnation]
            self._expect(
                not left,
                f"partition {new.partition} starts empty on {new.primary.node} at epoch "
                f"{new.epoch}, though {left} are left",
            )

    def check_named(self, records: Iterable[PartitionRecord], runs: list[Run]) -> None:
        """Every living copy that a record names as in sync has everything."""
        for record in records:
            for copy in record.in_sync:
                for run in runs:
                    held = run.plane.copy(record.partition)
                    if run.node == copy.node and held is not None and held.copy_id == copy.copy_id:
                        what = f"{run.node} is in sync at epoch {record.epoch}"
                        self._check_has_all(run.plane, record.partition, what)

    def _check_has_all(self, plane: MemoryDataPlane, partition: int, what: str) -> None:
        copy = plane.copy(partition)
        assert copy is not None
        has = {(operation.epoch, operation.key) for operation in copy.log}
        lost = self._told[partition].in_sync - has
        self._expect(
            not lost, f"partition {partition}: {what} without {sorted(lost)[:3]}, acknowledged"
        )

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._broken.append(what)


def _could_serve(copy: Copy, partition: int, runs: list[Run]) -> bool:
    """Whether a copy lives, on a node that is registered in the run in which it began."""
    return any(
        run.node == copy.node
        and is_of(copy.copy_id, run.incarnation)
        and run.plane.copy_id(partition) == copy.copy_id
        for run in runs
    )
