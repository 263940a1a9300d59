"""Etcd's twin in memory, watchful: it says what is wrong with a commit of a partition's record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shoal_coordinator.registry.codec import decode_partition, decode_registration
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd
from shoal_coordinator.registry.port import Change, Committed, Guard, Put
from shoal_coordinator.registry.records import Incarnation, NodeId, PartitionRecord

KEYS = Keys("sim")


class WatchedEtcd(MemoryEtcd):
    """What must be true of every commit, whoever makes it. Findings go to ``broken``."""

    def __init__(self, clock_ns: Callable[[], int], broken: list[str]) -> None:
        super().__init__(clock_ns)
        self.changed_record: Callable[
            [Incarnation | None, PartitionRecord, PartitionRecord], None
        ] = lambda _by, _old, _new: None
        self._broken = broken
        self._records: dict[str, PartitionRecord] = {}

    def commit_by(
        self,
        who: Incarnation | None,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        committed = self.commit(guards, changes, on_loss_read)
        if committed.won:
            for change in changes:
                if isinstance(change, Put) and "/partitions/" in change.key:
                    self._check(who, decode_partition(change.key, change.value), change.key)
        return committed

    def lose_all_leases(self) -> None:
        for lease in list(self._leases):
            self.revoke(lease)

    def incarnation_of(self, node: NodeId) -> Incarnation | None:
        item = self.standing(KEYS.node(node))
        return None if item is None else decode_registration(item.key, item.value).incarnation

    def records(self) -> list[PartitionRecord]:
        return list(self._records.values())

    def _check(self, who: Incarnation | None, new: PartitionRecord, key: str) -> None:
        old = self._records.get(key)
        self._records[key] = new
        if old is not None and new.primary is not None:
            self.changed_record(who, old, new)
        if old is None or old.primary == new.primary:
            self._expect(old is None or old.epoch == new.epoch, f"{key}: epoch without change")
            return
        assert new.primary is not None
        self._expect(new.epoch == old.epoch + 1, f"{key}: epoch {old.epoch} to {new.epoch}")
        self._expect(
            self.incarnation_of(new.primary.node) == new.primary_incarnation,
            f"{key}: given to {new.primary.node}, which is not registered",
        )
        if old.primary is not None and who != old.primary_incarnation:
            self._expect(
                self.incarnation_of(old.primary.node) != old.primary_incarnation,
                f"{key}: taken from {old.primary.node}, which is registered",
            )

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._broken.append(what)
