"""Leading begins with a view that shows all that earlier leaders wrote."""

from __future__ import annotations

import asyncio

from cluster_views import live, view
from shoal_coordinator.election.act import Actor
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planner, lead
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import Elected, campaign
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import CoordinatorLeader

KEYS = Keys("test")


class NoCounts:
    def carried_out(self, kind: str, number: int) -> None:
        """Nobody counts."""


async def test_a_view_from_before_the_election_is_not_acted_on() -> None:
    store, latest = MemoryStore(), LatestView()
    lease = await store.grant_lease(3)
    answer = await campaign(store, KEYS, CoordinatorLeader("one", "one:1"), lease.id)
    assert isinstance(answer, Elected)
    actor = Actor(store, KEYS, answer.leadership, NoCounts())
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
