"""A cluster in virtual time: real agents, twins of etcd and of the data plane, faults.

``simulate`` runs one seed and returns what broke. Four things must hold throughout:

1. At most one data plane would acknowledge a write of a partition.
2. No partition is opened twice at one epoch: versions name one write.
3. What ``WatchedEtcd`` checks of every commit.
4. When faults stop, every partition is served, and every node is ready.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

from shoal_coordinator.registry.codec import (
    decode_partition,
    encode_config,
    encode_member,
    encode_partition,
)
from shoal_coordinator.registry.port import Lease, ModifiedAt, Put
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    CopyId,
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
from shoal_node.data_plane import DataPlaneSettings
from shoal_node.data_plane_memory import MemoryDataPlane
from shoal_node.errors import NodeError
from shoal_node.fence import Fence
from shoal_node.membership import MembershipPorts
from shoal_node.timing import timing_for
from simulated_store import (
    KEYS,
    Mutant,
    Network,
    SimulatedStore,
    SimulatedUpkeep,
    WatchedEtcd,
)
from virtual_time import VirtualLoop, run_virtually

TTL_SECONDS = 2
PARTITIONS = 6
NODES = tuple(NodeId(f"n{number}") for number in range(4))
FAULTY_SECONDS = 12.0
QUIET_SECONDS = 25.0
HARMS = (
    *("move", "move", "move", "crash", "crash", "cut", "pause", "keeper", "wedge"),
    *("stop", "impostor"),
    # Everywhere.
    *("cut everywhere", "paused everywhere"),
)


class _WatchedDataPlane(MemoryDataPlane):
    """Has the world check its invariants whenever it might acknowledge more than before."""

    def __init__(self, world: World, settings: DataPlaneSettings) -> None:
        super().__init__(settings, world.loop.now_ns)
        self._world = world

    def open_partition(self, partition: int, epoch: int) -> None:
        super().open_partition(partition, epoch)
        self._world.opened(partition, epoch)

    def thaw_partition(self, partition: int) -> None:
        super().thaw_partition(partition)
        self._world.check()

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        super().set_lease_deadline(deadline_boottime_ns)
        self._world.check()

    def freeze_partition(self, partition: int) -> None:
        if self._world.mutant is not Mutant.NOTHING_FROZEN:
            super().freeze_partition(partition)


@dataclass
class Process:
    """One run of one node."""

    node: NodeId
    incarnation: Incarnation
    network: Network
    data_plane: _WatchedDataPlane
    agent: Agent
    task: asyncio.Task[None]
    is_alive: bool = True
    upkeeps: list[SimulatedUpkeep] = field(default_factory=list)

    def crash(self) -> None:
        """Die at once: what was sent is still on its way."""
        self.is_alive = False
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


class World:
    """One seed's cluster."""

    def __init__(
        self, loop: VirtualLoop, seed: int, mutant: Mutant, harms: tuple[str, ...]
    ) -> None:
        self.loop = loop
        self.harms = harms
        self.is_over = False
        self.mutant = mutant
        self.rng = random.Random(seed)
        self.broken: list[str] = []
        self.etcd = WatchedEtcd(loop.now_ns, self.broken)
        self.processes: dict[NodeId, Process] = {}
        self.impostors: list[Process] = []
        self.config = ClusterConfig(PARTITIONS, 0, TTL_SECONDS, 1, "sim")
        self._opened: set[tuple[int, int]] = set()

    # Invariants.

    def live(self) -> list[Process]:
        return [it for it in (*self.processes.values(), *self.impostors) if it.is_alive]

    def check(self) -> None:
        for partition in range(PARTITIONS):
            serving = [it for it in self.live() if it.data_plane.refusal(partition) is None]
            if len(serving) > 1:
                names = ", ".join(
                    f"{it.node} at epoch {it.data_plane.epoch(partition)}" for it in serving
                )
                self.broken.append(f"partition {partition} is acknowledged by {names}")

    def opened(self, partition: int, epoch: int) -> None:
        if (partition, epoch) in self._opened:
            self.broken.append(f"partition {partition} was opened twice at epoch {epoch}")
        self._opened.add((partition, epoch))
        self.check()

    # What the coordinator does.

    def found(self) -> None:
        """Create the cluster: config, members, planned records."""
        changes = [Put(KEYS.config, encode_config(self.config))]
        for node in NODES:
            member = Member(node, MemberState.ACTIVE, 100, "")
            changes.append(Put(KEYS.member(node), encode_member(member)))
        for number in range(PARTITIONS):
            start = self.rng.randrange(len(NODES))
            order = (*NODES[start:], *NODES[:start])[: self.rng.choice((2, 3))]
            record = PartitionRecord(
                PartitionId(number), UNTAKEN, None, None, (), (), preference=order
            )
            changes.append(Put(KEYS.partition(record.partition), encode_partition(record)))
        self.etcd.commit_by(None, (), changes)

    def move_something(self) -> None:
        """Ask for a hand-over, as a rebalance does."""
        key = KEYS.partition(PartitionId(self.rng.randrange(PARTITIONS)))
        item = self.etcd.read(key).items[0]
        record = decode_partition(key, item.value)
        target = self.rng.choice(NODES)
        others = tuple(node for node in record.preference if node != target)
        wanted = replace(record, handoff_to=target, preference=(target, *others))
        guard = ModifiedAt(key, item.mod_revision)
        self.etcd.commit_by(None, [guard], [Put(key, encode_partition(wanted))])

    # What happens to nodes.

    def start(self, node: NodeId, mark: str | None = None) -> Process:
        """Start a process. By default it has the listener that the node had before."""
        mark = mark or f"mark{node}"
        incarnation = Incarnation(f"{mark}-{self.rng.getrandbits(64):016x}")
        network = Network(self.loop, random.Random(self.rng.getrandbits(64)))
        store = SimulatedStore(self.etcd, network, incarnation, node, self.mutant)
        upkeeps: list[SimulatedUpkeep] = []

        def make_upkeep(
            lease: Lease, granted_ns: int, callbacks: UpkeepCallbacks
        ) -> SimulatedUpkeep:
            upkeep = SimulatedUpkeep(self.etcd, network, lease, granted_ns, callbacks, self.mutant)
            upkeeps.append(upkeep)
            return upkeep

        async def offload(work: object) -> object:
            await asyncio.sleep(network.delay())
            await network.unpaused()
            assert callable(work)
            return work()

        data_plane = _WatchedDataPlane(
            self, DataPlaneSettings(node, f"{node}:1", PARTITIONS, 1 << 20, 1)
        )
        registration = NodeRegistration(
            node, data_plane.start(), "", 100, incarnation, "0", "http://localhost"
        )
        membership = MembershipPorts(
            store, KEYS, lambda: network.is_well, make_upkeep, self.loop.now_ns, offload
        )
        fence = Fence(data_plane.set_lease_deadline, self.loop.now_ns)
        ports = AgentPorts(
            membership, data_plane, fence, lambda: CopyId(f"{network.rng.getrandbits(64):016x}")
        )
        agent = Agent(ports, registration, self.config, timing_for(TTL_SECONDS).policy)
        self._mutate(agent)
        task = self.loop.create_task(agent.run())
        process = Process(node, incarnation, network, data_plane, agent, task, upkeeps=upkeeps)
        task.add_done_callback(lambda ended: self._ended(process, ended))
        return process

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            process.crash()
            if not isinstance(error, NodeError):
                self.broken.append(f"{process.node} died of {error!r}")

    def _mutate(self, agent: Agent) -> None:
        if self.mutant is Mutant.FENCE_LIFTED_EARLY:
            fence, begin = agent.fence, agent.fence.begin

            def begin_lifted(lease: int) -> None:
                begin(lease)
                fence.lift(lease)

            fence.begin = begin_lifted

    def start_all(self) -> None:
        for node in NODES:
            process = self.processes.get(node)
            if process is None or not process.is_alive:
                self.processes[node] = self.start(node)

    def heal(self) -> None:
        for impostor in self.impostors:
            impostor.crash()
        for process in self.live():
            process.network.heal()
        self.start_all()

    def end(self) -> None:
        """End every process, and start none any more."""
        self.is_over = True
        for process in self.live():
            process.crash()

    async def tick(self) -> None:
        """Let leases run out although nobody asks for them."""
        while True:
            await asyncio.sleep(0.05)
            assert self.etcd.revision

    async def disturb(self) -> None:
        """Do harm until it is over."""
        end = self.loop.time() + FAULTY_SECONDS
        while self.loop.time() < end and not self.broken:
            await asyncio.sleep(self.rng.expovariate(2.5))
            self._harm(self.rng.choice(list(self.processes)))

    def _harm(self, node: NodeId) -> None:  # noqa: C901  a table of harms
        process = self.processes[node]
        network = process.network
        now, rng = self.loop.time(), self.rng
        network.loss, network.slow = rng.choice(((0.0, 0.0), (0.1, 0.0), (0.05, 0.5)))
        for_seconds = rng.choice((0.3, 1.5, TTL_SECONDS + 0.5, 3 * TTL_SECONDS))
        match rng.choice(self.harms):
            case "move":
                self.move_something()
            case "cut":
                network.cut_until = now + for_seconds
            case "pause":
                network.paused_until = now + for_seconds
            case "keeper":
                network.keeper_paused_until = now + for_seconds
            case "wedge":
                network.wedged_until = now + for_seconds
            case "crash":
                process.crash()
                self.loop.call_later(for_seconds, self._restart, node)
            case "stop":
                self._stop(process)
            case "impostor":
                mark = f"elsewhere{len(self.impostors)}"
                self.impostors.append(self.start(node, mark=mark))
            case "cut everywhere":
                for it in self.live():
                    it.network.cut_until = now + for_seconds
            case "paused everywhere":
                for it in self.live():
                    it.network.paused_until = now + for_seconds

    def _stop(self, process: Process) -> None:
        if process.is_alive and not process.agent.local.stopping:
            task = self.loop.create_task(process.stop())
            task.add_done_callback(lambda _: self._restart(process.node))

    def _restart(self, node: NodeId) -> None:
        if not self.processes[node].is_alive and not self.is_over:
            self.processes[node] = self.start(node)

    async def served(self) -> None:
        """Return once everything is as it should be, or say what is not."""
        end = self.loop.time() + QUIET_SECONDS
        wrong = ""
        while self.loop.time() < end and not self.broken:
            self.start_all()
            wrong = self._unserved()
            if not wrong:
                return
            await asyncio.sleep(0.2)
        if wrong:
            self.broken.append(f"after {QUIET_SECONDS} quiet seconds: {wrong}")

    def _unserved(self) -> str:
        for it in self.live():
            if not it.data_plane.is_ready:
                return f"{it.node} is not ready"
        for partition in range(PARTITIONS):
            owners = [it for it in self.live() if it.data_plane.refusal(partition) is None]
            if len(owners) != 1:
                reasons = [f"{it.node} {it.data_plane.refusal(partition)}" for it in self.live()]
                return f"partition {partition} is served by {len(owners)}: {reasons}"
            told = {
                next(p.primary for p in it.data_plane.topology.partitions if p.id == partition)
                for it in self.live()
            }
            if told != {owners[0].node}:
                return f"partition {partition} is served by {owners[0].node}, told is {told}"
        return ""


def simulate(seed: int, mutant: Mutant = Mutant.NONE, harms: tuple[str, ...] = HARMS) -> list[str]:
    """Run one seed; return what broke."""

    async def run(loop: VirtualLoop) -> list[str]:
        world = World(loop, seed, mutant, harms)
        world.found()
        world.start_all()
        ticking = loop.create_task(world.tick())
        await world.disturb()
        world.heal()
        await world.served()
        ticking.cancel()
        world.end()
        return world.broken

    return run_virtually(run)
