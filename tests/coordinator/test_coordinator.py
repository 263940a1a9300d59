"""Coordinators over one etcd in memory: one leads, and the other when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from cluster_views import live
from shoal_coordinator.coordinator import Coordinator
from shoal_coordinator.creation import create_or_join
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.operations import register_node
from shoal_coordinator.registry.port import StoreWentBack
from shoal_coordinator.registry.upkeep import boottime_ns
from shoal_coordinator.settings import CoordinatorSettings

KEYS = Keys("test")
TTL_SECONDS = 1
WITHIN_SECONDS = 20.0
QUICK = PlanSettings(
    settle_seconds=0.05,
    handoff_settle_seconds=0.1,
    handoff_round_seconds=0.05,
    down_grace_seconds=5.0,
)


def settings(name: str) -> CoordinatorSettings:
    return CoordinatorSettings(
        etcd="http://127.0.0.1:2379",
        listen=HostPort("127.0.0.1", 0),
        advertise=None,
        metrics_listen=None,
        cluster="test",
        id=name,
        partitions=8,
        replicas=1,
        bootstrap_nodes=2,
        lease_ttl_seconds=TTL_SECONDS,
        is_insecure=False,
        plan=QUICK,
    )


class Running:
    def __init__(self, etcd: MemoryEtcd, name: str) -> None:
        self.store = MemoryStore(etcd)
        self.coordinator = Coordinator(self.store, KEYS, settings(name))
        self.task = asyncio.create_task(self.coordinator.run(f"{name}:1", TTL_SECONDS))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def two(etcd: MemoryEtcd) -> AsyncIterator[tuple[Running, Running]]:
    """Two coordinators, the first of them elected."""
    await create_or_join(MemoryStore(etcd), KEYS, settings("one"), "cluster-id")
    one = Running(etcd, "one")
    await until(lambda: one.coordinator.leads)
    other = Running(etcd, "two")
    try:
        yield one, other
    finally:
        await one.stop()
        await other.stop()


async def until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(WITHIN_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def register(etcd: MemoryEtcd, *names: str) -> None:
    store = MemoryStore(etcd)
    for name in names:
        lease = await store.grant_lease(600)
        await register_node(store, KEYS, live(name).registration, lease.id)


def preferences(running: Running) -> set[tuple[str, ...]]:
    view = running.coordinator.latest.view
    if view is None:
        return set()
    return {tuple(sorted(held.record.preference)) for held in view.partitions.values()}


async def test_the_leader_plans_once_the_nodes_are_there_and_both_see_it() -> None:
    etcd = MemoryEtcd(boottime_ns)
    async with two(etcd) as (one, other):
        await register(etcd, "a", "b")
        await until(lambda: preferences(other) == {("a", "b")})
        assert one.coordinator.leads
        assert not other.coordinator.leads


async def test_one_that_stops_resigns_and_the_other_goes_on_planning() -> None:
    etcd = MemoryEtcd(boottime_ns)
    async with two(etcd) as (one, other):
        await register(etcd, "a", "b")
        await until(lambda: preferences(other) == {("a", "b")})
        await one.stop()
        await until(lambda: other.coordinator.leads)
        await register(etcd, "c")
        await until(lambda: preferences(other) == {("a", "b", "c")})


async def test_one_that_is_cut_off_stops_leading_and_comes_back_as_a_follower() -> None:
    etcd = MemoryEtcd(boottime_ns)
    async with two(etcd) as (one, other):
        one.store.set_available(available=False)
        await until(lambda: not one.coordinator.leads)
        await until(lambda: other.coordinator.leads)
        one.store.set_available(available=True)
        await register(etcd, "a", "b")
        await until(lambda: preferences(one) == {("a", "b")})
        assert not one.coordinator.leads


async def test_an_etcd_that_went_back_ends_it() -> None:
    etcd = MemoryEtcd(boottime_ns)
    async with two(etcd) as (one, _):
        before = etcd.revision
        await register(etcd, "a", "b")
        await until(lambda: preferences(one) == {("a", "b")})
        etcd.go_back(before)
        with pytest.raises(StoreWentBack):
            async with asyncio.timeout(WITHIN_SECONDS):
                await one.task
