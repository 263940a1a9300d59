"""What must hold of what clients were told, at every moment and in every copy that counts.

1. Every living copy that the record names as in sync has every write that was
   acknowledged IN_SYNC, or that a primary read has shown, since the partition last
   started without a copy in sync; or something newer of that key. So has a copy that
   begins to serve. What an acknowledged delete removed is in none of them.
2. After a hand-over the new primary has what the old one acknowledged, of either level.
3. A partition starts without a copy in sync only when none is left that could serve.
4. A counter goes up by one for each acknowledged increment, however often it was sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import Copy, Incarnation, PartitionRecord

if TYPE_CHECKING:
    from simulation.process import Process

Version: TypeAlias = tuple[int, int]
"""(epoch, sequence). Later ones of a lineage are greater."""


@dataclass(slots=True)
class _Count:
    """One counter: the last acknowledged value, and how many since may count or not."""

    last: int = 0
    unknown: int = 0
    is_known: bool = True


@dataclass(slots=True)
class _Told:
    """What clients were told of one partition since it last started without a copy in sync."""

    floors: dict[bytes, tuple[Version, bool]] = field(default_factory=dict)
    """The newest version that must stand, and whether it is a delete."""
    removed: dict[bytes, Version] = field(default_factory=dict)
    """The newest delete that was applied anywhere, acknowledged or not."""
    by_primary: dict[int, dict[bytes, Version]] = field(default_factory=lambda: defaultdict(dict))
    """By epoch: what its primary acknowledged."""
    counts: dict[bytes, _Count] = field(default_factory=dict)
    began_empty: bool = True

    def count(self, key: bytes) -> _Count:
        return self.counts.setdefault(key, _Count(is_known=self.began_empty))


class Promises:
    """Told of everything that clients are told, and of every change of a record."""

    def __init__(
        self, broken: list[str], registered: Callable[[], list[Process]], *, keeps: bool
    ) -> None:
        self.counts = {"in sync": 0, "by primary": 0, "reads": 0, "increments": 0}
        self.counts |= {"promoted": 0, "handed over": 0, "started anew": 0}
        self._broken = broken
        self._registered = registered
        self._keeps = keeps
        self._told: dict[int, _Told] = defaultdict(_Told)
        self._handed: dict[tuple[int, int], int] = {}
        self._epochs: dict[int, int] = defaultdict(int)

    def floor(self, partition: int, key: bytes) -> tuple[Version, bool]:
        return self._told[partition].floors.get(key, ((0, 0), True))

    # What clients are told.

    def removes(self, partition: int, key: bytes, version: Version) -> None:
        """A delete is applied, whatever becomes of it."""
        removed = self._told[partition].removed
        removed[key] = max(version, removed.get(key, version))

    def by_primary(self, partition: int, key: bytes, version: Version) -> None:
        self.counts["by primary"] += 1
        self._told[partition].by_primary[version[0]][key] = version

    def stands(
        self, partition: int, key: bytes, version: Version, named: Iterable[Process], *, gone: bool
    ) -> None:
        """A write was acknowledged IN_SYNC, or a read has shown it."""
        told = self._told[partition]
        known = told.floors.get(key)
        if known is None or known[0] < version:
            told.floors[key] = (version, gone)
        for process in named:
            what = f"{process.node} is in sync"
            self._check_key(process, partition, key, what, process.now_ms())

    def acknowledged(self, partition: int, key: bytes, version: Version) -> None:
        self.counts["in sync"] += 1
        self._told[partition].by_primary[version[0]][key] = version

    def given_up(self, partition: int, key: bytes) -> None:
        """Nobody knows whether an increment counts."""
        self._told[partition].count(key).unknown += 1

    def counted(self, partition: int, key: bytes, value: int) -> None:
        """An increment was acknowledged as this value. One at a time."""
        self.counts["increments"] += 1
        count = self._told[partition].count(key)
        most = count.last + 1 + count.unknown
        self.expect(
            count.last < value <= most or not count.is_known,
            f"partition {partition}: {key!r} was {count.last}, and one increment later it is "
            f"{value}, {most} at most",
        )
        count.last, count.unknown, count.is_known = value, 0, True

    # What happens to copies.

    def wrote(self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord) -> None:
        """A record was written over another."""
        self._epochs[new.partition] = new.epoch
        if new.epoch == old.epoch or old.primary is None:
            return
        is_own = by == old.primary_incarnation
        if new.primary in old.in_sync:
            if is_own:
                self._handed[new.partition, new.epoch] = old.epoch
            return
        assert new.primary is not None
        left = [
            copy
            for copy in old.in_sync
            if (copy != old.primary or not is_own) and self._could_serve(copy, new.partition)
        ]
        self.expect(
            not left,
            f"partition {new.partition} starts without a copy in sync on {new.primary.node} at "
            f"epoch {new.epoch}, though {left} are left",
        )
        self.counts["started anew"] += 1
        self._told[new.partition] = _Told(began_empty=not self._keeps)

    def _could_serve(self, copy: Copy, partition: int) -> bool:
        return any(
            process.node == copy.node
            and is_of(copy.copy_id, process.incarnation)
            and process.plane.copies.copy_id(partition) == copy.copy_id
            for process in self._registered()
        )

    def promoted(self, process: Process, partition: int, epoch: int) -> None:
        """A copy begins to serve with its data."""
        if epoch < self._epochs[partition]:
            # It learnt too late that it had won, and acknowledges nothing any more.
            return
        self.counts["promoted"] += 1
        self.check_copy(process, partition, f"{process.node} serves it at epoch {epoch}")
        before = self._handed.get((partition, epoch))
        if before is not None:
            self.counts["handed over"] += 1
            told = self._told[partition]
            for key, version in told.by_primary[before].items():
                found = process.plane.copies.find(partition, key, process.now_ms())
                at = told.removed.get(key, (0, 0)) if found is None else found[1]
                self.expect(
                    at >= version,
                    f"partition {partition}: a hand-over to {process.node} at epoch {epoch} "
                    f"lost {key!r} of {version}",
                )

    def check_copy(self, process: Process, partition: int, what: str) -> None:
        now_ms = process.now_ms()
        for key in self._told[partition].floors:
            self._check_key(process, partition, key, what, now_ms)

    def _check_key(
        self, process: Process, partition: int, key: bytes, what: str, now_ms: int
    ) -> None:
        found = process.plane.copies.find(partition, key, now_ms)
        version, is_gone = self._told[partition].floors[key]
        if found is None:
            if not is_gone and self._told[partition].removed.get(key, (0, 0)) <= version:
                self._broken.append(f"partition {partition}: {what} without {key!r} of {version}")
        elif is_gone and found[1] <= version:
            self._broken.append(
                f"partition {partition}: {what} with {key!r} of {found[1]}, deleted at {version}"
            )
        elif found[1] < version:
            self._broken.append(
                f"partition {partition}: {what} with {key!r} of {found[1]}, not {version}"
            )

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._broken.append(what)
