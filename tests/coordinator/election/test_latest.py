"""The newest view and waiting for a newer one."""

from __future__ import annotations

import asyncio

import pytest

from cluster_views import view
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.registry.port import Revision


async def test_a_condition_that_holds_already_is_not_waited_for() -> None:
    latest = LatestView()
    await latest.put(view(revision=5))
    assert (await latest.until(lambda seen: seen.revision >= 5)).revision == 5


async def test_whoever_waits_gets_the_first_view_of_which_it_is_true() -> None:
    latest = LatestView()
    waiting = asyncio.create_task(latest.until(lambda seen: seen.revision >= 7))
    for revision in (5, 6, 7):
        await latest.put(view(revision=revision))
        await asyncio.sleep(0)
    assert (await waiting).revision == 7


async def test_waiting_for_a_newer_view_ends_with_what_there_is() -> None:
    latest = LatestView()
    await latest.put(view(revision=5))
    assert (await latest.newer_than(Revision(4), within_seconds=10)).revision == 5
    assert (await latest.newer_than(Revision(5), within_seconds=0.01)).revision == 5


async def test_a_view_never_goes_back() -> None:
    latest = LatestView()
    await latest.put(view(revision=5))
    with pytest.raises(AssertionError):
        await latest.put(view(revision=4))
