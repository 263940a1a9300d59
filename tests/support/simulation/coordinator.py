"""A coordinator in the simulation: elected by the real election, it plans by the real plan."""

from __future__ import annotations

import random
from typing import cast

from shoal_coordinator.placement.place import Placement
from shoal_coordinator.placement.ring import RingMember
from shoal_coordinator.planning.actions import AdmitMember, PartitionAction, RefreshMember
from shoal_coordinator.planning.decide import decide
from shoal_coordinator.planning.memory import NOTHING, Memory, observe
from shoal_coordinator.planning.recorded import wanted_next
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.operations import (
    Elected,
    Lost,
    PlannedRecord,
    campaign,
    change_member,
    plan_partitions,
)
from shoal_coordinator.registry.port import LeaseLost, OutcomeUnknown, Store, StoreUnavailable
from shoal_coordinator.registry.records import CoordinatorLeader
from shoal_coordinator.registry.upkeep import UpkeepCallbacks, UpkeepSettings
from shoal_coordinator.registry.view import ClusterView, ElectedLeader
from simulation.coroutines import Sleep, Task
from simulation.etcd import Connection, SimulatedEtcd, Upkeep, Watch
from simulation.events import SECOND_US
from simulation.host import Host
from watched_etcd import KEYS

SETTINGS = PlanSettings(
    settle_seconds=0.3,
    down_grace_seconds=30.0,
    handoff_settle_seconds=0.6,
    handoff_round_seconds=0.3,
    handoff_timeout_seconds=4.0,
    flap_base_seconds=0.3,
    flap_max_seconds=1.0,
)
_TICK_US = 400_000


class Coordinator(Host):
    """One run of one coordinator."""

    def __init__(self, name: str, etcd: SimulatedEtcd, rng: random.Random, ttl: int) -> None:
        super().__init__(etcd.events, name, rng)
        self._etcd = etcd
        self._ttl = ttl
        self._store = cast("Store", Connection(etcd, None, lambda guards, _changes: guards))
        self._view: ClusterView | None = None
        self._memory: Memory = NOTHING
        self._placed: tuple[tuple[RingMember, ...], Placement] | None = None
        """What is wanted, by the ring that it was placed for. The configuration stays."""
        self._is_lost = False
        self._watch = Watch(self, etcd, self._saw)
        Task(self, self._run())

    def crash(self) -> None:
        self.is_alive = False
        self._watch.stop()

    def _saw(self, view: ClusterView) -> None:
        self._view = view

    def _lose(self, _: LeaseLost) -> None:
        self._is_lost = True

    async def _run(self) -> None:
        while True:
            try:
                sent_ns = self.now_ns()
                lease = await self._store.grant_lease(self._ttl)
                self._is_lost = False
                callbacks = UpkeepCallbacks(lambda: True, lambda _: None, self._lose)
                upkeep = Upkeep(self, self._etcd, lease, sent_ns, callbacks, UpkeepSettings(0.2))
                upkeep.start()
                leader = CoordinatorLeader(f"{self.name}-{lease.id}", self.name)
                while not self._is_lost:
                    elected = await campaign(self._store, KEYS, leader, lease.id)
                    if isinstance(elected, Elected):
                        await self._lead(elected.leadership)
                    await Sleep(SECOND_US)
                upkeep.stop()
            except (StoreUnavailable, OutcomeUnknown, LeaseLost):
                await Sleep(SECOND_US)

    async def _lead(self, leadership: ElectedLeader) -> None:
        self._memory, self._placed = NOTHING, None
        seen = -1
        while not self._is_lost:
            await Sleep(_TICK_US)
            view = self._view
            if view is None or view.revision < max(leadership.create_revision, seen):
                continue
            try:
                if not await self._plan(view, leadership):
                    return
            except (StoreUnavailable, OutcomeUnknown):
                continue

    def _wanted_in(self, view: ClusterView) -> Placement:
        """Kept while the members stay, as a planner keeps it (``election.lead``)."""
        assert view.config is not None
        ring = self._memory.ring or ()
        if self._placed is None or self._placed[0] != ring:
            self._placed = (ring, wanted_next(view, view.config, ring))
        return self._placed[1]

    async def _plan(self, view: ClusterView, leadership: ElectedLeader) -> bool:
        """One round; False: somebody else leads."""
        now = self.now_us() / SECOND_US
        self._memory = observe(view, self._memory, SETTINGS, now)
        wanted = self._wanted_in(view)
        decision = decide(view, self._memory, wanted, SETTINGS, now)
        self._memory = decision.memory
        planned: list[PlannedRecord] = []
        for action in decision.actions:
            if isinstance(action, AdmitMember | RefreshMember):
                node = action.member.id
                await change_member(self._store, KEYS, node, action.of, leadership)
            else:
                step: PartitionAction = action
                planned.append(PlannedRecord(step.record, step.expected))
        outcomes = await plan_partitions(self._store, KEYS, planned, leadership)
        failed = [guard for it in outcomes if isinstance(it, Lost) for guard in it.failed]
        return all(guard.key != KEYS.leader for guard in failed)
