"""Both stores, each in a world whose time and history a test can move."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from etcd_process import EtcdProcess
from shoal_coordinator.registry.etcd import EtcdSettings, open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.port import Revision, Store

_numbers = itertools.count(1)

# Quick to notice trouble, and with pages small enough that tests turn them.
QUICK = EtcdSettings(
    connect_timeout_seconds=0.5,
    call_timeout_seconds=1.0,
    give_up_seconds=3.0,
    probe_seconds=0.3,
    silence_seconds=1.0,
    items_per_page=7,
)


class World(Protocol):
    """A store, and what a test does behind its back."""

    keys: Keys
    store: Store

    def another_store(self) -> Store: ...
    async def elapse(self, seconds: float) -> None: ...
    async def compact(self, revision: Revision) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.keys = Keys("memory")
        self.etcd = MemoryEtcd()
        self.store = MemoryStore(self.etcd)

    def another_store(self) -> MemoryStore:
        return MemoryStore(self.etcd)

    async def elapse(self, seconds: float) -> None:
        self.etcd.advance(seconds)

    async def compact(self, revision: Revision) -> None:
        self.etcd.compact(revision)


class EtcdWorld:
    def __init__(self, process: EtcdProcess) -> None:
        self.keys = Keys(f"etcd-{next(_numbers)}")
        self.process = process
        self.stores = [open_store(process.url, QUICK)]

    @property
    def store(self) -> Store:
        return self.stores[0]

    def another_store(self) -> Store:
        self.stores.append(open_store(self.process.url, QUICK))
        return self.stores[-1]

    async def elapse(self, seconds: float) -> None:
        # A real lease runs out by the real clock, and not at once.
        await asyncio.sleep(seconds + 0.3)

    async def compact(self, revision: Revision) -> None:
        await asyncio.to_thread(self.process.compact, revision)


@pytest.fixture(scope="session")
def quick() -> EtcdSettings:
    return QUICK


@pytest.fixture(scope="session")
def shared_etcd(
    etcd_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EtcdProcess]:
    """One etcd for all tests that do not harm it."""
    process = EtcdProcess(etcd_binary, tmp_path_factory.mktemp("etcd"))
    try:
        process.start()
        yield process
    finally:
        process.kill()


@pytest.fixture
def own_etcd(etcd_binary: Path, tmp_path: Path) -> Iterator[EtcdProcess]:
    """An etcd for one test to kill and freeze."""
    process = EtcdProcess(etcd_binary, tmp_path)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@pytest.fixture(params=["memory", pytest.param("etcd", marks=pytest.mark.etcd)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Each test runs in memory and on a real etcd."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    etcd_world = EtcdWorld(request.getfixturevalue("shared_etcd"))
    yield etcd_world
    for store in etcd_world.stores:
        await store.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store


@pytest.fixture
def keys(world: World) -> Keys:
    return world.keys
