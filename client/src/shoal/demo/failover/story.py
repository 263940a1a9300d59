"""What happens to the nodes, step by step; each step waits for what it needs of the cluster.

    calm; kill -9 of a primary; takeover; calm; the node starts again, empty; every
    partition has two copies in sync; calm; SIGTERM of another node; it ends; calm

No node is told to go while a partition has one copy alone: that would prove nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import shoal
import shoal.asyncio
from shoal.demo.cluster import OwnCluster
from shoal.demo.events import Event, EventKind
from shoal.demo.failover.settings import Settings

_POLL_SECONDS = 0.05
_TAKEOVER_SECONDS_MAX = 30.0
_STOP_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done, and the partitions that its node served then."""

    event: Event
    partitions: frozenset[int]


class Story:
    """Plays once. ``complaints`` says what the cluster did not do in time."""

    def __init__(
        self,
        cluster: OwnCluster,
        client: shoal.asyncio.Client,
        settings: Settings,
        say: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._client = client
        self._settings = settings
        self._say = say
        self.steps: list[Step] = []
        self.complaints: list[str] = []

    async def play(self) -> None:
        await asyncio.sleep(self._settings.calm_seconds)
        killed = await self._node_to_hurt()
        await self._mark(EventKind.NODE_KILLED, f"kill -9 {killed}", killed, self._cluster.kill)
        await self._until(
            lambda known: killed not in known.nodes and _is_served(known),
            _TAKEOVER_SECONDS_MAX,
            f"{killed}'s partitions were not taken over",
        )
        await asyncio.sleep(self._settings.calm_seconds)
        await self._mark(
            EventKind.NODE_RESTARTED, f"{killed} starts again", killed, self._cluster.restart
        )
        if await self._until(
            _has_two_copies,
            self._settings.restore_seconds_max,
            "not every partition had two copies in sync again, so that no node was told to go",
        ):
            await self._mark(EventKind.COPIES_RESTORED, "two copies again", "", None)
            await asyncio.sleep(self._settings.calm_seconds)
            await self._hand_over(killed)
        await asyncio.sleep(self._settings.calm_seconds)

    async def _hand_over(self, but: str) -> None:
        node = await self._node_to_hurt(but)
        await self._mark(
            EventKind.NODE_TERMINATED, f"SIGTERM {node}", node, self._cluster.terminate
        )
        deadline = time.monotonic() + _STOP_SECONDS_MAX
        while not self._cluster.has_ended(node):
            if time.monotonic() > deadline:
                self._complain(f"{node} did not end within {_STOP_SECONDS_MAX:.0f} s")
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _node_to_hurt(self, but: str = "") -> str:
        """The node that serves most."""
        known = await self._client.topology()
        primaries = [partition.primary for partition in known.partitions]
        return max((node for node in self._cluster.node_ids if node != but), key=primaries.count)

    async def _mark(
        self, kind: EventKind, label: str, node: str, act: Callable[[str], None] | None
    ) -> None:
        known = await self._client.topology()
        served = frozenset(each.id for each in known.partitions if node and each.primary == node)
        at_ns = time.monotonic_ns()
        if act is not None:
            act(node)
        self.steps.append(Step(Event(kind, at_ns, label, node), served))
        self._say(f"------- {label} -------")

    async def _until(
        self, holds: Callable[[shoal.Topology], bool], seconds_max: float, complaint: str
    ) -> bool:
        deadline = time.monotonic() + seconds_max
        while not holds(await self._client.topology()):
            if time.monotonic() > deadline:
                self._complain(f"{complaint} within {seconds_max:.0f} s")
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _complain(self, sentence: str) -> None:
        self.complaints.append(f"{sentence[0].upper()}{sentence[1:]}.")


def _is_served(known: shoal.Topology) -> bool:
    return all(partition.primary in known.nodes for partition in known.partitions)


def _has_two_copies(known: shoal.Topology) -> bool:
    return _is_served(known) and all(
        sum(node in known.nodes for node in partition.in_sync) >= 2
        for partition in known.partitions
    )
