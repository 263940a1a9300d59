"""Leading: decide on each new view and on a tick, act, and wait for what was written.

The next decision is made from a view that shows what the last one wrote, so that
nothing is done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from shoal_coordinator.election.act import Actor
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.placement.place import Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.planning.decide import Decision, decide
from shoal_coordinator.planning.memory import NOTHING, Memory, observe
from shoal_coordinator.planning.moves import Traffic
from shoal_coordinator.planning.recorded import wanted_next
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import MINUTES_A_DAY
from shoal_coordinator.registry.view import ClusterView

_log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25
_GATHER_SECONDS = 0.1
"""From news to the next plan at least, unless a node has come or gone. Nobody waits for a plan,
and of a partition that moves news come by twos and threes: who must act on those is the nodes,
often on the same cores."""
_CATCH_UP_SECONDS = 2.0
"""For so long a view that shows what was written is waited for."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The last plan: of which view, towards what, and what was moving."""

    view: ClusterView
    wanted: Placement
    traffic: Traffic
    waiting: str | None


class Planner:
    """``decide`` with its memory, and with the last placement kept for reuse."""

    def __init__(
        self,
        settings: PlanSettings,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` never falls; ``wall_clock`` tells UTC. Both in seconds."""
        self._settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self._memory: Memory = NOTHING
        self.planned: Planned | None = None
        self._placed: tuple[tuple[tuple[RingMember, ...], int, int], Placement] | None = None

    async def plan(self, view: ClusterView) -> Decision:
        now = self._clock()
        self._memory = observe(view, self._memory, self._settings, now)
        wanted = await self._wanted(view)
        minute = int(self._wall_clock() // 60) % MINUTES_A_DAY
        decision = decide(view, self._memory, wanted, self._settings, now, minute)
        self._memory = decision.memory
        if decision.traffic is not None:
            self.planned = Planned(view, wanted, decision.traffic, decision.waiting)
        return decision

    async def _wanted(self, view: ClusterView) -> Placement:
        if view.config is None:
            return Placement(())
        ring = self._memory.ring or ()
        key = (ring, view.config.partition_count, view.config.replica_count)
        if self._placed is None or self._placed[0] != key:
            # Kept while the members stay: records approach it a few moves at a time.
            # Seconds for the largest clusters: not in the event loop's thread.
            placed = await asyncio.to_thread(wanted_next, view, view.config, ring)
            self._placed = (key, placed)
        return self._placed[1]


async def lead(latest: LatestView, planner: Planner, actor: Actor, elected_at: Revision) -> None:
    """Lead until cancelled. Raises LeadershipLost and StoreWentBack.

    ``elected_at``: from there on nobody else's plans are written, so a view that shows
    it shows all of them.
    """
    said: str | None = None
    loop = asyncio.get_running_loop()
    view = await latest.until(lambda view: view.revision >= elected_at)
    while True:
        began = loop.time()
        decision = await planner.plan(view)
        took = loop.time() - began
        if decision.waiting != said:
            said = decision.waiting
            if said is not None:
                _log.info(said)
        written = Revision(0)
        if decision.actions:
            written = await actor.carry_out(decision.actions)
        if written > view.revision:
            await latest.newer_than(Revision(written - 1), _CATCH_UP_SECONDS)
        else:
            await latest.newer_than(view.revision, TICK_SECONDS)
        # A plan looks at every partition, and views may come faster than plans are made:
        # what comes meanwhile is seen as one.
        view = await latest.soon(partial(_is_urgent, view), max(took, _GATHER_SECONDS))


def _is_urgent(planned: ClusterView, newer: ClusterView) -> bool:
    """Whether nodes have come or gone since a plan."""
    return newer.nodes is not planned.nodes
