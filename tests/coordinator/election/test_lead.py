"""Leading begins with a view that shows all that earlier leaders wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster_views import live, view
from shoal_coordinator.election import lead as module
from shoal_coordinator.election.act import Actor
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planner, lead
from shoal_coordinator.planning.decide import Decision
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import Elected, campaign
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.registry.view import ClusterView

KEYS = Keys("test")
FOR_EVER_SECONDS = 3600.0


class Seeing(Planner):
    """Keeps the revisions of which plans were made."""

    def __init__(self) -> None:
        super().__init__(PlanSettings(), lambda: 0.0)
        self.seen: list[Revision] = []

    async def plan(self, view: ClusterView) -> Decision:
        self.seen.append(view.revision)
        return await super().plan(view)


class Waiting(LatestView):
    """Keeps for how long it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def soon(
        self, holds: Callable[[ClusterView], bool], within_seconds: float
    ) -> ClusterView:
        self.waits.append(within_seconds)
        return await super().soon(holds, within_seconds)


class NoCounts:
    def carried_out(self, kind: str, number: int) -> None:
        """Nobody counts."""


async def elected(store: MemoryStore) -> Actor:
    lease = await store.grant_lease(3)
    answer = await campaign(store, KEYS, CoordinatorLeader("one", "one:1"), lease.id)
    assert isinstance(answer, Elected)
    return Actor(store, KEYS, answer.leadership, NoCounts())


async def test_a_view_from_before_the_election_is_not_acted_on() -> None:
    store, latest = MemoryStore(), LatestView()
    actor = await elected(store)
    planner = Planner(PlanSettings(), lambda: 0.0)
    before = store.commits
    leading = asyncio.create_task(lead(latest, planner, actor, Revision(10)))
    await latest.put(view(nodes=(live("a"),), revision=9))
    for _ in range(50):
        await asyncio.sleep(0)
    assert store.commits == before
    await latest.put(view(nodes=(live("a"),), revision=10))
    async with asyncio.timeout(10):
        while not (await store.read(KEYS.prefix + "members/")).items:
            await asyncio.sleep(0.01)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)


async def test_who_gathers_news_plans_at_once_when_a_node_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GATHER_SECONDS", FOR_EVER_SECONDS)
    store, latest, planner = MemoryStore(), Waiting(), Seeing()
    actor = await elected(store)
    first = view(nodes=(live("a"),), revision=100)
    leading = asyncio.create_task(lead(latest, planner, actor, Revision(100)))
    await latest.put(first)
    async with asyncio.timeout(10):
        while not planner.seen:
            await asyncio.sleep(0.01)
    await latest.put(replace(first, revision=Revision(101)))
    async with asyncio.timeout(10):
        while FOR_EVER_SECONDS not in latest.waits:
            await asyncio.sleep(0.01)
    await latest.put(view(nodes=(live("a"), live("b")), revision=102))
    async with asyncio.timeout(10):
        while len(planner.seen) < 2:
            await asyncio.sleep(0.01)
    assert planner.seen == [100, 102]
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
