"""What the registry went through, event by event, with the time at which it was told.

A thread follows etcd and keeps the newest view. Times are CLOCK_MONOTONIC, so they compare
with those of histories; they lag etcd by what a watch takes, a millisecond or so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from shoal_coordinator.registry.apply import apply, view_of
from shoal_coordinator.registry.etcd import open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import Compacted, Store, StoreUnavailable, StoreWentBack
from shoal_coordinator.registry.records import Copy, NodeId, PartitionId
from shoal_coordinator.registry.view import ClusterView

_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class NodeGone:
    """A node's key vanished: its lease ran out or was given back."""

    at_ns: int
    node: NodeId
    incarnation: str


@dataclass(frozen=True, slots=True)
class NodeCame:
    at_ns: int
    node: NodeId
    incarnation: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """A partition got another primary."""

    at_ns: int
    partition: PartitionId
    epoch: int
    previous: Copy | None
    primary: Copy
    was_in_sync: bool
    """Whether the new primary's copy stood in the in-sync set before."""


@dataclass(frozen=True, slots=True)
class InSyncChanged:
    """Under one epoch: a copy caught up, or was left out."""

    at_ns: int
    partition: PartitionId
    before: frozenset[Copy]
    after: frozenset[Copy]


Happening = NodeGone | NodeCame | Promoted | InSyncChanged


class Chronicle:
    """Use as a context manager; the first view is there when it is entered."""

    def __init__(self, etcd_url: str, cluster: str = "default") -> None:
        self._url = etcd_url
        self._keys = Keys(cluster)
        self._view: ClusterView | None = None
        self._happenings: list[Happening] = []
        self._first = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._first.wait(30):
            raise AssertionError(f"etcd at {self._url} did not tell the registry")
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def give_way(self) -> None:
        """Run from now on where nothing else wants to: who looks on takes no part."""
        os.sched_setscheduler(self._thread.native_id or 0, os.SCHED_IDLE, os.sched_param(0))

    @property
    def view(self) -> ClusterView:
        assert self._view is not None
        return self._view

    def since(self, at_ns: int) -> list[Happening]:
        return [one for one in tuple(self._happenings) if one.at_ns >= at_ns]

    def promotions(self, since_ns: int) -> list[Promoted]:
        return [one for one in self.since(since_ns) if isinstance(one, Promoted)]

    def gone(self, node: str, since_ns: int) -> NodeGone | None:
        """The first time since then that a node's key vanished."""
        for one in self.since(since_ns):
            if isinstance(one, NodeGone) and one.node == node:
                return one
        return None

    def is_back(self, node: str, since_ns: int) -> bool:
        """Whether a node has come since then."""
        return any(isinstance(one, NodeCame) and one.node == node for one in self.since(since_ns))

    def until(
        self, state: Callable[[ClusterView], bool], what: str, within_seconds: float = 40.0
    ) -> ClusterView:
        """Wait for a state of the registry."""
        deadline = time.monotonic() + within_seconds
        while not state(self.view):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_seconds:.0f} s: {what}")
            time.sleep(0.01)
        return self.view

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._follow())
        # A restored backup ends the chronicle: what it tells then is another past.
        with contextlib.suppress(asyncio.CancelledError, StoreWentBack):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _follow(self) -> None:
        store = open_store(self._url)
        try:
            while True:
                with contextlib.suppress(StoreUnavailable, Compacted):
                    await self._watch(store)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            await store.close()

    async def _watch(self, store: Store) -> None:
        self._take(view_of(self._keys, await store.read(self._keys.prefix), self._view).view)
        self._first.set()
        async with contextlib.aclosing(store.watch(self._keys.prefix, self.view.revision)) as watch:
            async for events in watch:
                if events.events:
                    self._take(apply(self.view, events).view)

    def _take(self, view: ClusterView) -> None:
        if self._view is not None:
            self._happenings += changes(self._view, view, time.monotonic_ns())
        self._view = view


def changes(before: ClusterView, after: ClusterView, at_ns: int) -> list[Happening]:
    """What happened between two views. Two promotions in one step count as the last."""
    found: list[Happening] = []
    for node, live in before.nodes.items():
        now = after.nodes.get(node)
        incarnation = live.registration.incarnation
        if now is None or now.registration.incarnation != incarnation:
            found.append(NodeGone(at_ns, node, incarnation))
    for node, live in after.nodes.items():
        old = before.nodes.get(node)
        if old is None or old.registration.incarnation != live.registration.incarnation:
            found.append(NodeCame(at_ns, node, live.registration.incarnation))
    for partition, held in after.partitions.items():
        known = before.partitions.get(partition)
        new = held.record
        if known is None or new.primary is None or known.record == new:
            continue
        past = known.record
        if new.epoch > past.epoch:
            found.append(
                Promoted(
                    at_ns,
                    partition,
                    new.epoch,
                    past.primary,
                    new.primary,
                    new.primary in past.in_sync,
                )
            )
        elif set(new.in_sync) != set(past.in_sync):
            found.append(
                InSyncChanged(at_ns, partition, frozenset(past.in_sync), frozenset(new.in_sync))
            )
    return found
