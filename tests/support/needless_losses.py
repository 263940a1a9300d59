"""Copies that were given up by a node that was the one cut off: seen where records change.

1. A primary that hears nobody, and is heard, leaves nobody out of who is in sync that was
   keeping up when it went deaf, lives, is registered and wanted.
2. After etcd was away for all of them, nobody starts a partition empty while the process
   with a copy in sync lives and is about to be back.

A copy that is given up while its node is in trouble of another kind is no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from shoal_coordinator.registry.copy_ids import is_of
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Incarnation,
    NodeId,
    PartitionRecord,
)
from shoal_node.agent import Agent
from shoal_node.data_plane_memory import MemoryDataPlane
from simulated_store import Network

_KEEPS_UP_MS = 500
_BACK_SECONDS = 1.5
"""Within this after it reaches etcd again a node is registered."""


class Run(Protocol):
    """One run of one node."""

    node: NodeId
    incarnation: Incarnation
    network: Network
    agent: Agent

    @property
    def plane(self) -> MemoryDataPlane: ...


class NeedlessLosses:
    """What was cut off, and what it must not give up."""

    def __init__(self, now: Callable[[], float], broken: list[str]) -> None:
        self._now = now
        self._broken = broken
        self._keeping_up: dict[Incarnation, set[tuple[int, Copy]]] = {}
        self._back_by: dict[Incarnation, float] = {}

    def deafened(self, run: Run) -> None:
        """From now on it hears nobody."""
        self._keeping_up[run.incarnation] = {
            (told.partition, Copy(NodeId(it.node), CopyId(it.copy_id)))
            for told in run.plane.replication()
            for it in told.followers
            if it.is_streaming and it.lag_ms < _KEEPS_UP_MS
        }

    def etcd_went_away(self, runs: Iterable[Run], back: Iterable[float]) -> None:
        """None of these reaches it until its time has come, and nothing else troubles them."""
        self._back_by = {}
        for run, until in zip(runs, back, strict=False):
            run.network.heal()
            run.network.cut_until = until
            self._back_by[run.incarnation] = until + _BACK_SECONDS

    def wrote(
        self,
        by: Incarnation | None,
        old: PartitionRecord,
        new: PartitionRecord,
        registered: Iterable[Run],
        live: Iterable[Run],
    ) -> None:
        """A record was written over another."""
        if new.epoch == old.epoch:
            self._left_out(by, old, new, list(registered), live)
        elif new.primary not in old.in_sync:
            self._began_empty(old, new, live)

    def _left_out(
        self,
        by: Incarnation | None,
        old: PartitionRecord,
        new: PartitionRecord,
        registered: list[Run],
        live: Iterable[Run],
    ) -> None:
        deaf = next((it for it in live if it.incarnation == by and it.network.is_deaf), None)
        if deaf is None:
            return
        wanted = {*new.preference[: len(old.in_sync)], *new.replicas, new.handoff_to}
        for copy in set(old.in_sync) - set(new.in_sync):
            has_key = any(
                it.node == copy.node
                and is_of(copy.copy_id, it.incarnation)
                and not it.agent.local.stopping
                for it in registered
            )
            kept_up = (new.partition, copy) in self._keeping_up[deaf.incarnation]
            if has_key and kept_up and copy.node in wanted:
                self._broken.append(
                    f"partition {new.partition}: {deaf.node}, which hears nobody, left out {copy}"
                )

    def _began_empty(self, old: PartitionRecord, new: PartitionRecord, live: Iterable[Run]) -> None:
        # A process that came meanwhile was never cut off: it waits, but not for so long.
        if new.primary_incarnation not in self._back_by:
            return
        for run in live:
            network = run.network
            is_well = network.is_well and network.reaches_peers and not network.loss
            is_back = self._now() < self._back_by.get(run.incarnation, 0.0)
            held_id = run.plane.copy_id(new.partition)
            if is_well and is_back and not network.slow and held_id is not None:
                copy = Copy(run.node, CopyId(held_id))
                if copy in old.in_sync and not run.agent.local.stopping:
                    self._broken.append(
                        f"partition {new.partition} starts empty on {new.primary}, "
                        f"though {copy} is about to be back"
                    )
