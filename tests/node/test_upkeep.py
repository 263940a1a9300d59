"""The lease's upkeep as a node wires it: a real thread, gated, straight to the fence."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryEtcd, MemoryStore
from shoal_coordinator.registry.port import Lease
from shoal_coordinator.registry.records import Incarnation, NodeId, NodeRegistration
from shoal_coordinator.registry.upkeep import LeaseUpkeep, UpkeepCallbacks, boottime_ns
from shoal_node.fence import Fence
from shoal_node.local import Local
from shoal_node.membership import Membership, MembershipPorts
from shoal_node.timing import timing_for

TTL_SECONDS = 1
KEYS = Keys("test")
ME = NodeRegistration(NodeId("a"), "a:1", "", 100, Incarnation("mark-1"), "0", "")


@dataclass
class Rig:
    """A membership over a store in memory, in real time."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(MemoryEtcd(boottime_ns)))
    is_well: bool = True
    deadlines: list[int] = field(default_factory=list)
    local: Local = field(default_factory=lambda: Local(ME.id, ME.incarnation))

    def __post_init__(self) -> None:
        self.fence = Fence(self.deadlines.append, boottime_ns)
        ports = MembershipPorts(
            self.store, KEYS, lambda: self.is_well, self._upkeep, boottime_ns, asyncio.to_thread
        )
        self.membership = Membership(
            ports, ME, TTL_SECONDS, self.fence, self.local, lambda: None, lambda: None
        )
        self.running = asyncio.create_task(self.membership.run())

    def _upkeep(self, lease: Lease, granted_ns: int, callbacks: UpkeepCallbacks) -> LeaseUpkeep:
        settings = timing_for(TTL_SECONDS).upkeep
        return LeaseUpkeep(self.store.lease_keeper(), lease, granted_ns, callbacks, settings)

    async def until_registered(self) -> None:
        async with asyncio.timeout(5):
            while self.local.registration is None:
                await asyncio.sleep(0.01)

    @property
    def stands(self) -> bool:
        return bool(self.store.etcd.read(KEYS.node(ME.id)).items)

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.membership.leave()


async def test_a_stalled_event_loop_costs_neither_the_lease_nor_the_deadline() -> None:
    rig = Rig()
    await rig.until_registered()
    assert rig.local.registration is not None
    rig.fence.lift(rig.local.registration.lease)
    time.sleep(2 * TTL_SECONDS)  # noqa: ASYNC251  the stall is what is tested
    assert rig.deadlines[-1] > boottime_ns()
    assert rig.stands
    await rig.end()


async def test_the_deadline_is_earlier_than_the_end_of_the_lease() -> None:
    before_ns = boottime_ns()
    rig = Rig()
    await rig.until_registered()
    margin_ns = round(timing_for(TTL_SECONDS).upkeep.margin_seconds * 10**9)
    first_ns = rig.fence.times().deadline_ns
    assert before_ns < first_ns <= boottime_ns() + TTL_SECONDS * 10**9 - margin_ns
    await rig.end()


async def test_a_node_that_is_not_well_lets_its_lease_run_out() -> None:
    rig = Rig()
    await rig.until_registered()
    rig.is_well = False
    async with asyncio.timeout(5 * TTL_SECONDS):
        while rig.stands:
            await asyncio.sleep(0.02)
    assert rig.fence.times().deadline_ns <= boottime_ns()
    await rig.end()


async def test_a_lost_lease_fences_and_a_new_one_is_taken_with_the_same_incarnation() -> None:
    rig = Rig()
    await rig.until_registered()
    lost = rig.local.registration
    assert lost is not None
    rig.fence.lift(lost.lease)
    rig.store.etcd.revoke(lost.lease)
    async with asyncio.timeout(5 * TTL_SECONDS):
        while rig.local.registration in {None, lost}:
            await asyncio.sleep(0.01)
    again = rig.local.registration
    assert again is not None
    assert again.registration == lost.registration
    assert again.create_revision > lost.create_revision
    assert rig.deadlines[-1] == 0, "the fence is down until the agent lifts it"
    await rig.end()


async def test_leaving_gives_the_lease_back() -> None:
    rig = Rig()
    await rig.until_registered()
    await rig.end()
    assert not rig.stands
    assert rig.deadlines[-1] == 0


async def test_a_node_that_is_not_well_does_not_register() -> None:
    rig = Rig()
    rig.is_well = False
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await rig.until_registered()
    assert not rig.stands
    rig.is_well = True
    await rig.until_registered()
    await rig.end()
