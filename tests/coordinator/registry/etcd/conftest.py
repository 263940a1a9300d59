"""Stores over an etcd that a test may harm: straight, and through a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etcd_process import EtcdProcess
from shoal_coordinator.registry.etcd import EtcdSettings, EtcdStore, open_store
from tcp_proxy import TcpProxy


@pytest.fixture
async def direct(own_etcd: EtcdProcess, quick: EtcdSettings) -> AsyncIterator[EtcdStore]:
    """A store over the test's own etcd, by no detour."""
    store = open_store(own_etcd.url, quick)
    yield store
    await store.close()


@pytest.fixture
async def proxy(own_etcd: EtcdProcess) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(own_etcd.port) as running:
        yield running


@pytest.fixture
async def cuttable(proxy: TcpProxy, quick: EtcdSettings) -> AsyncIterator[EtcdStore]:
    """A store whose connections the proxy can cut."""
    store = open_store(proxy.url, quick)
    yield store
    await store.close()
