"""A simple model of nodes and coordinators over an etcd in memory, for simulation.

Nodes follow the rule of take-over and hand-over by the registry's own operations;
coordinators run the real ``observe``, ``decide`` and ``Actor``. Everybody looks at
views that are sometimes old, and every commit may fail or lose its answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from shoal_coordinator.election.act import Actor, LeadershipLost
from shoal_coordinator.planning.decide import decide
from shoal_coordinator.planning.memory import NOTHING, Memory, observe
from shoal_coordinator.planning.recorded import wanted_next
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.copy_ids import new_copy_id
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import CommitFault, MemoryEtcd, MemoryStore
from shoal_coordinator.registry.operations import (
    Elected,
    Handed,
    Registered,
    Won,
    campaign,
    change_as_primary,
    hand_over,
    register_node,
    take_over,
)
from shoal_coordinator.registry.port import (
    ABSENT,
    LeaseId,
    LeaseLost,
    OutcomeUnknown,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import (
    CoordinatorLeader,
    Copy,
    Epoch,
    Incarnation,
    NodeId,
    NodeRegistration,
    PartitionRecord,
)
from shoal_coordinator.registry.view import (
    ClusterView,
    ElectedLeader,
    HeldPartition,
    LiveNode,
)
from virtual_time import VirtualLoop

KEYS = Keys("sim")
TTL_SECONDS = 2
SETTINGS = PlanSettings(
    settle_seconds=0.5,
    down_grace_seconds=8.0,
    handoff_settle_seconds=2.0,
    handoff_round_seconds=0.5,
    handoff_timeout_seconds=6.0,
    flap_window_seconds=30.0,
    flap_base_seconds=1.0,
    flap_max_seconds=4.0,
)


class NoCounts:
    def carried_out(self, kind: str, number: int) -> None:
        """Nobody counts."""


@dataclass
class World:
    """One etcd, one clock, one source of chance, and how often commits go wrong."""

    etcd: MemoryEtcd
    loop: VirtualLoop
    rng: random.Random
    fault_chance: float = 0.0

    def draw_fault(self, store: MemoryStore) -> None:
        if self.rng.random() < self.fault_chance:
            store.fail_commits(self.rng.choice(list(CommitFault)))

    def name(self, kind: str) -> str:
        return f"{kind}-{self.rng.getrandbits(48):012x}"


@dataclass
class Process:
    """Looks at a view that it refreshes now and then."""

    world: World
    store: MemoryStore = field(init=False)
    view: ClusterView | None = None
    lease: LeaseId | None = None

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.world.etcd)

    async def look(self) -> ClusterView:
        if self.view is None or self.world.rng.random() < 0.7:
            self.view = view_of(KEYS, await self.store.read(KEYS.prefix), self.view).view
        return self.view

    def keep_alive(self) -> bool:
        """Whether the lease stands, and was renewed."""
        if self.lease is None:
            return False
        try:
            self.world.etcd.keep_alive(self.lease)
        except LeaseLost:
            self.lease = None
        return self.lease is not None


@dataclass
class ModelNode(Process):
    id: NodeId = field(kw_only=True)
    weight: int = field(default=100, kw_only=True)
    zone: str = field(default="", kw_only=True)
    mine: LiveNode | None = None
    incarnation: Incarnation = field(init=False)
    opened: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.incarnation = Incarnation(self.world.name(self.id))

    async def step(self) -> None:
        view = await self.look()
        if self.mine is None or not self.keep_alive():
            await self._register(view)
            return
        for held in view.partitions.values():
            await self._see(view, self.mine, held)

    async def _register(self, view: ClusterView) -> None:
        self.mine = None
        self.opened.clear()
        registration = NodeRegistration(
            self.id, f"{self.id}:1", self.zone, self.weight, self.incarnation, "0", ""
        )
        self.lease = (await self.store.grant_lease(TTL_SECONDS)).id
        self.world.draw_fault(self.store)
        outcome = await register_node(
            self.store, KEYS, registration, self.lease, view.nodes.get(self.id)
        )
        if isinstance(outcome, Registered):
            self.mine = LiveNode(registration, outcome.create_revision, self.lease)
        else:
            self.view = None

    async def _see(self, view: ClusterView, mine: LiveNode, held: HeldPartition) -> None:
        record = held.record
        if record.primary_incarnation == self.incarnation:
            self.opened[record.partition] = record.epoch
            if self._in_sync(view, record, mine) != record.in_sync:
                new = replace(record, in_sync=self._in_sync(view, record, mine))
                self.world.draw_fault(self.store)
                await change_as_primary(self.store, KEYS, held, new, mine)
                return
            target = None if record.handoff_to is None else view.nodes.get(record.handoff_to)
            if target is not None and target.registration.id != self.id:
                self.world.draw_fault(self.store)
                new = self._succeeded(record, target)
                await hand_over(self.store, KEYS, [Handed(held, new, target)], mine)
            return
        self.opened.pop(record.partition, None)
        if not view.primary_is_live(record) and self._is_first(view, record):
            old = None
            if record.primary is not None:
                standing = view.nodes.get(record.primary.node)
                revision = ABSENT if standing is None else standing.create_revision
                old = (record.primary.node, revision)
            self.world.draw_fault(self.store)
            new = self._succeeded(record, mine)
            outcome = await take_over(self.store, KEYS, held, new, mine, old)
            if isinstance(outcome, Won):
                self.opened[record.partition] = new.epoch

    def _is_first(self, view: ClusterView, record: PartitionRecord) -> bool:
        """Whether it is this node's turn; now and then out of turn, as after a delay."""
        owners = [node for node in record.preference if node in view.nodes]
        others = sorted(set(view.nodes) - set(owners))
        return [*owners, *others][:1] == [self.id] or self.world.rng.random() < 0.1

    def _in_sync(
        self, view: ClusterView, record: PartitionRecord, mine: LiveNode
    ) -> tuple[Copy, ...]:
        """Whoever is wanted and lives has a copy at once."""
        wanted = record.preference[: 1 + len(record.replicas)]
        others = sorted({*wanted, record.handoff_to or self.id} & view.nodes.keys() - {self.id})
        return (self._copy(mine), *(self._copy(view.nodes[node]) for node in others))

    def _copy(self, node: LiveNode) -> Copy:
        """Its only one in this run."""
        registration = node.registration
        return Copy(registration.id, new_copy_id(registration.incarnation, "1"))

    def _succeeded(self, record: PartitionRecord, primary: LiveNode) -> PartitionRecord:
        copy = self._copy(primary)
        return replace(
            record,
            epoch=Epoch(record.epoch + 1),
            primary=copy,
            primary_incarnation=primary.registration.incarnation,
            in_sync=(copy, *(it for it in record.in_sync if it.node != copy.node)),
            handoff_to=None if record.handoff_to == copy.node else record.handoff_to,
        )


@dataclass
class ModelCoordinator(Process):
    id: str = field(kw_only=True)
    leadership: ElectedLeader | None = None
    memory: Memory = NOTHING
    sentences: list[str] = field(default_factory=list)

    async def step(self) -> None:
        view = await self.look()
        if self.leadership is None:
            if view.leader is None:
                await self._stand()
            return
        # The lease is renewed only now and then: a leader that was slow goes on acting,
        # and what it writes must lose.
        if self.world.rng.random() < 0.8 and not self.keep_alive():
            self.leadership = None
            return
        if view.revision >= self.leadership.create_revision:
            await self._lead(view, self.leadership)

    async def _stand(self) -> None:
        self.lease = (await self.store.grant_lease(TTL_SECONDS)).id
        self.world.draw_fault(self.store)
        leader = CoordinatorLeader(self.id, f"{self.id}:1")
        answer = await campaign(self.store, KEYS, leader, self.lease)
        if isinstance(answer, Elected):
            self.leadership, self.memory = answer.leadership, NOTHING

    async def _lead(self, view: ClusterView, leadership: ElectedLeader) -> None:
        assert view.config is not None
        now = self.world.loop.time()
        self.memory = observe(view, self.memory, SETTINGS, now)
        wanted = wanted_next(view, view.config, self.memory.ring or ())
        decision = decide(view, self.memory, wanted, SETTINGS, now)
        self.memory = decision.memory
        self.sentences += map(str, decision.actions)
        self.world.draw_fault(self.store)
        try:
            await Actor(self.store, KEYS, leadership, NoCounts()).carry_out(decision.actions)
        except LeadershipLost:
            self.leadership = None


async def step_of(process: ModelNode | ModelCoordinator) -> None:
    """One step, whose failures are those that a process shrugs off."""
    try:
        await process.step()
    except (StoreUnavailable, OutcomeUnknown):
        process.view = None
    except LeaseLost:
        process.lease = None
