"""Copies that were given up by a node that was the one cut off: seen where records change.

1. A primary that hears nobody, and is heard, leaves nobody out of who is in sync that was
   keeping up and registered when it went deaf, and lives, is registered and wanted. (Of one
   that was not registered it may have heard that, and not that it is back.)
2. After etcd was away for all of them, nobody who is only just there again, or has only
   just come, starts a partition empty while the process with a copy in sync lives and is
   about to be back.

A copy that is given up while its node is in trouble of another kind is no finding: where
etcd goes away, little else is done to anybody (``harms.ETCD_HARMS``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import Copy, CopyId, Incarnation, NodeId, PartitionRecord
from simulation.events import SECOND_US, Events

if TYPE_CHECKING:
    from simulation.process import Process

_KEEPS_UP_MS = 500
_BACK_US = int(1.5 * SECOND_US)
"""Within this after it reaches etcd again a node is registered."""
_WAITS_US = int(2.5 * SECOND_US)
"""Less than a node waits for others from when it came: 1.5 TTLs by its own clock."""


class NeedlessLosses:
    """What was cut off, and what it must not give up."""

    def __init__(
        self,
        events: Events,
        live: Callable[[], list[Process]],
        broken: list[str],
        copies_wanted: int,
    ) -> None:
        """``copies_wanted``: of a partition, the primary's own among them."""
        self._events = events
        self._live = live
        self._broken = broken
        self._copies_wanted = copies_wanted
        self._keeping_up: dict[Incarnation, set[tuple[int, Copy]]] = {}
        self._back_by_us: dict[Incarnation, int] = {}

    def deafened(self, process: Process) -> None:
        """From now on it hears nobody."""
        # What is being changed was decided while it still heard.
        self._keeping_up[process.incarnation] = {
            (told.partition, Copy(NodeId(it.node), CopyId(it.copy_id)))
            for told in process.plane.replication()
            if not process.agent.local.is_busy(told.partition)
            for it in told.followers
            if it.is_streaming and it.lag_ms < _KEEPS_UP_MS and self._is_registered(it.copy_id)
        }

    def etcd_went_away(self, back_us: dict[Incarnation, int]) -> None:
        """None of these reaches it until its time has come, and nothing else troubles them."""
        self._back_by_us = {who: until_us + _BACK_US for who, until_us in back_us.items()}

    def wrote(self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord) -> None:
        """A record was written over another."""
        if new.epoch == old.epoch:
            self._left_out(by, old, new)
        elif new.primary not in old.in_sync and self._is_just_back(new.primary_incarnation):
            self._began_empty(old, new)

    def _is_just_back(self, who: Incarnation | None) -> bool:
        # A process that came meanwhile was never cut off: it waits, but not for so long.
        return who in self._back_by_us or any(
            it.incarnation == who and self._events.now_us < it.began_us + _WAITS_US
            for it in self._live()
        )

    def _left_out(self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord) -> None:
        gone = set(old.in_sync) - set(new.in_sync)
        live = self._live() if gone else []
        deaf = next((it for it in live if it.incarnation == by and it.is_deaf), None)
        if deaf is None:
            return
        wanted = {*new.preference[: self._copies_wanted], *new.replicas, new.handoff_to}
        for copy in gone:
            kept_up = (new.partition, copy) in self._keeping_up.get(deaf.incarnation, ())
            if kept_up and copy.node in wanted and self._is_registered(copy.copy_id):
                self._broken.append(
                    f"partition {new.partition}: {deaf.node}, which hears nobody, left out {copy}"
                )

    def _is_registered(self, copy_id: str) -> bool:
        """Whether the process that has this copy lives, has its key in etcd and stays."""
        return any(
            is_of(CopyId(copy_id), it.incarnation)
            and it.is_registered
            and not it.agent.local.stopping
            for it in self._live()
        )

    def _began_empty(self, old: PartitionRecord, new: PartitionRecord) -> None:
        for process in self._live():
            is_back = self._events.now_us < self._back_by_us.get(process.incarnation, 0)
            held_id = process.plane.copies.copy_id(new.partition)
            if not is_back or held_id is None or process.is_deaf or process.agent.local.stopping:
                continue
            copy = Copy(process.node, CopyId(held_id))
            if copy in old.in_sync:
                self._broken.append(
                    f"partition {new.partition} starts empty on {new.primary}, "
                    f"though {copy} is about to be back"
                )
