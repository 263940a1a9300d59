"""Leases through restarts of etcd and stalls of the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from etcd_process import EtcdProcess
from shoal_coordinator.registry.etcd import EtcdStore
from shoal_coordinator.registry.port import (
    LeaseLost,
    Put,
    StoreUnavailable,
)
from shoal_coordinator.registry.upkeep import LeaseUpkeep, UpkeepCallbacks, boottime_ns
from through_faults import (
    KEYS,
    until,
)

pytestmark = pytest.mark.etcd


async def test_a_lease_outlives_a_restart_of_etcd(own_etcd: EtcdProcess, direct: EtcdStore) -> None:
    lease = await direct.grant_lease(5)
    await direct.commit([], [Put(KEYS.leader, b"me", lease.id)])
    keeper = direct.lease_keeper()
    await asyncio.to_thread(own_etcd.kill)
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(keeper.keep_alive, lease.id, 1.0)
    await asyncio.to_thread(own_etcd.start)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await asyncio.to_thread(keeper.keep_alive, lease.id, 1.0) == 5
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
        assert len((await direct.read(KEYS.leader)).items) == 1
    await direct.revoke_lease(lease.id)
    with pytest.raises(LeaseLost):
        await asyncio.to_thread(keeper.keep_alive, lease.id, 1.0)
    keeper.close()
    with pytest.raises(StoreUnavailable):
        keeper.keep_alive(lease.id, 1.0)


async def test_a_lease_is_kept_while_the_event_loop_stands_still(direct: EtcdStore) -> None:
    granted_ns = boottime_ns()
    lease = await direct.grant_lease(1)
    await direct.commit([], [Put(KEYS.leader, b"me", lease.id)])
    deadlines: list[int] = []
    losses: list[LeaseLost] = []
    renewed_often = threading.Event()

    def renewed(deadline_ns: int) -> None:
        deadlines.append(deadline_ns)
        if deadlines[-1] - deadlines[0] > 2_000_000_000:
            renewed_often.set()

    callbacks = UpkeepCallbacks(lambda: True, renewed, losses.append)
    upkeep = LeaseUpkeep(direct.lease_keeper(), lease, granted_ns, callbacks)
    upkeep.start()
    assert renewed_often.wait(timeout=20), "the thread renews though the loop is blocked here"
    assert len((await direct.read(KEYS.leader)).items) == 1
    assert losses == []
    await direct.revoke_lease(lease.id)
    await until(lambda: bool(losses))
    upkeep.stop()
    assert deadlines == sorted(deadlines)
