"""A small cluster for stories of an agent's life: agents on their own loop, in virtual time.

Here agents run as they run in a process: tasks of one event loop (``virtual_time``) over
twins of etcd and of the data plane. What happens to them the story says. What happens to
clusters by chance is simulated elsewhere (``simulation``), and what becomes of data, too.

Throughout, at most one data plane would acknowledge a write of a partition, none is served
twice at one epoch, and what ``WatchedEtcd`` checks holds. Findings go to ``broken``.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace

from shoal_coordinator.registry.codec import encode_config, encode_member, encode_partition
from shoal_coordinator.registry.port import Lease, Put
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.upkeep import UpkeepCallbacks
from shoal_node.agent import Agent, AgentPorts
from shoal_node.agent_counts import AgentCounts
from shoal_node.data_plane import DataPlaneSettings
from shoal_node.data_plane_memory import MemoryDataPlane
from shoal_node.errors import NodeError
from shoal_node.fence import Fence
from shoal_node.membership import MembershipPorts
from shoal_node.network_memory import MemoryNetwork, MemoryPeers
from shoal_node.timing import timing_for
from story_store import Link, StoryStore, StoryUpkeep
from virtual_time import VirtualLoop
from watched_etcd import KEYS, WatchedEtcd

TTL_SECONDS = 2
PARTITIONS = 6
NODES = tuple(NodeId(f"n{number}") for number in range(4))
_STEP_SECONDS = 0.02
_LEASE_LOOK_SECONDS = 0.05


class _WatchedDataPlane(MemoryDataPlane):
    """Has the world check its invariants whenever it might acknowledge more than before."""

    def __init__(self, world: World, settings: DataPlaneSettings) -> None:
        super().__init__(settings, world.loop.now_ns, world.network)
        self._world = world

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        super().open_partition(partition, epoch, copy_id)
        self._world.began(partition, epoch)

    def promote_partition(self, partition: int, epoch: int) -> None:
        super().promote_partition(partition, epoch)
        self._world.began(partition, epoch)
        self._world.counts["promoted"] += 1

    def thaw_partition(self, partition: int) -> None:
        super().thaw_partition(partition)
        self._world.check()

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        super().set_lease_deadline(deadline_boottime_ns)
        self._world.check()


@dataclass
class Process:
    """One run of one node."""

    node: NodeId
    incarnation: Incarnation
    link: Link
    data_plane: _WatchedDataPlane
    agent: Agent
    task: asyncio.Task[None]
    upkeeps: list[StoryUpkeep]
    is_alive: bool = True

    def crash(self) -> None:
        """Die at once: what was sent is still on its way."""
        self.is_alive = False
        self.data_plane.stop(0)
        self.task.cancel()
        for upkeep in self.upkeeps:
            upkeep.stop()

    async def stop(self) -> None:
        """Stop as SIGTERM makes a node stop."""
        await self.agent.hand_over_everything(within_seconds=5)
        if not self.is_alive:
            return
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.agent.leave()
        self.data_plane.stop(0)
        self.is_alive = False


@dataclass
class World:
    """One story's cluster."""

    loop: VirtualLoop
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """``promoted``: copies that began to serve with their data; ``handed``: hand-overs."""
    processes: dict[NodeId, Process] = field(default_factory=dict)
    others: list[Process] = field(default_factory=list)
    """Those that a story started under an id that is in use."""

    def __post_init__(self) -> None:
        self.etcd = WatchedEtcd(self.loop.now_ns, self.broken)
        self.etcd.changed_record = self._changed_record
        self.network = MemoryNetwork()
        self.config = ClusterConfig(PARTITIONS, 1, TTL_SECONDS, 1, "sim")
        self._opened: set[tuple[int, int]] = set()

    # What must hold.

    def live(self) -> list[Process]:
        return [it for it in (*self.processes.values(), *self.others) if it.is_alive]

    def check(self) -> None:
        for partition in range(PARTITIONS):
            serving = [it for it in self.live() if it.data_plane.refusal(partition) is None]
            if len(serving) > 1:
                names = ", ".join(
                    f"{it.node} at epoch {it.data_plane.epoch(partition)}" for it in serving
                )
                self.broken.append(f"partition {partition} is acknowledged by {names}")

    def began(self, partition: int, epoch: int) -> None:
        if (partition, epoch) in self._opened:
            self.broken.append(f"partition {partition} was served twice at epoch {epoch}")
        self._opened.add((partition, epoch))
        self.check()

    def _changed_record(
        self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord
    ) -> None:
        is_handed = new.primary in old.in_sync and by == old.primary_incarnation
        self.counts["handed"] += new.epoch != old.epoch and is_handed

    # What goes on by itself.

    async def replicate(self) -> None:
        """Let copies come along."""
        while True:
            await asyncio.sleep(_STEP_SECONDS)
            for address, partition in self.network.follower_steps():
                self.network.step(address, partition)

    async def tick(self) -> None:
        """Let leases run out although nobody asks for them."""
        while True:
            await asyncio.sleep(_LEASE_LOOK_SECONDS)
            assert self.etcd.revision

    # What a story does.

    def found(self) -> None:
        """Create the cluster: config, members, planned records."""
        changes = [Put(KEYS.config, encode_config(self.config))]
        for node in NODES:
            member = Member(node, MemberState.ACTIVE, 100, "")
            changes.append(Put(KEYS.member(node), encode_member(member)))
        for number in range(PARTITIONS):
            start = number % len(NODES)
            # As short as it may be: else who registers first begins everything.
            order = (*NODES[start:], *NODES[:start])[: 1 + self.config.replica_count]
            record = PartitionRecord(
                PartitionId(number), UNTAKEN, None, None, (), (), preference=order
            )
            changes.append(Put(KEYS.partition(record.partition), encode_partition(record)))
        self.etcd.commit_by(None, (), changes)

    def start(self, node: NodeId, mark: str | None = None) -> Process:
        """Start a process. By default it has the listener that the node had before."""
        mark = mark or f"mark{node}"
        incarnation = Incarnation(f"{mark}-{self.rng.getrandbits(64):016x}")
        link = Link(self.loop)
        upkeeps: list[StoryUpkeep] = []

        def make_upkeep(lease: Lease, granted_ns: int, callbacks: UpkeepCallbacks) -> StoryUpkeep:
            upkeeps.append(StoryUpkeep(self.etcd, link, lease, granted_ns, callbacks))
            return upkeeps[-1]

        async def offload(work: object) -> object:
            await link.delay()
            assert callable(work)
            return work()

        address = f"{mark}:1"
        data_plane = _WatchedDataPlane(
            self, DataPlaneSettings(node, address, PARTITIONS, 1 << 20, 1)
        )
        registration = NodeRegistration(
            node, data_plane.start(), "", 100, incarnation, "0", "http://localhost"
        )
        ports = AgentPorts(
            MembershipPorts(
                StoryStore(self.etcd, link, incarnation),
                KEYS,
                lambda: link.is_well,
                make_upkeep,
                self.loop.now_ns,
                offload,
            ),
            data_plane,
            Fence(data_plane.set_lease_deadline, self.loop.now_ns),
            MemoryPeers(self.network),
            lambda: f"{self.rng.getrandbits(64):016x}",
            AgentCounts(),
        )
        policy = replace(timing_for(TTL_SECONDS).policy, replication_poll_ms=50)
        agent = Agent(ports, registration, self.config, policy)
        task = self.loop.create_task(agent.run())
        process = Process(node, incarnation, link, data_plane, agent, task, upkeeps)
        task.add_done_callback(lambda ended: self._ended(process, ended))
        if node in self.processes and self.processes[node].is_alive:
            self.others.append(process)
        else:
            self.processes[node] = process
        return process

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            process.crash()
            if not isinstance(error, NodeError):
                self.broken.append(f"{process.node} died of {error!r}")

    def start_all(self) -> None:
        for node in NODES:
            process = self.processes.get(node)
            if process is None or not process.is_alive:
                self.start(node)

    def end(self) -> None:
        """End every process."""
        for process in self.live():
            process.crash()
