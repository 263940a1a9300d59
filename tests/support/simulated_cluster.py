"""A cluster in virtual time: real agents, twins of etcd and of the data plane, faults.

``simulate`` runs one seed and returns what broke. These must hold throughout:

1. At most one data plane would acknowledge a write of a partition.
2. No partition is served twice at one epoch: versions name one write.
3. What ``WatchedEtcd`` checks of every commit.
4. What ``ReplicationChecks`` hold against what a client was told.
5. ``NeedlessLosses``: no copy is given up by whoever was cut off itself.
6. When faults stop, every partition is served, every node is ready, and every partition
   has as many copies in sync as are wanted, all with the same data.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from needless_losses import NeedlessLosses
from replication_checks import ReplicationChecks
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
    Incarnation,
    Member,
    MemberState,
    NodeId,
    NodeRegistration,
    PartitionId,
    PartitionRecord,
    Unclean,
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
from simulated_harms import HARMS
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


class _WatchedDataPlane(MemoryDataPlane):
    """Has the world check its invariants whenever it might acknowledge more than before."""

    def __init__(self, world: World, settings: DataPlaneSettings) -> None:
        super().__init__(settings, world.loop.now_ns, world.network)
        self._world = world

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        super().open_partition(partition, epoch, copy_id)
        self._world.began(partition, epoch)
        self._world.checks.opened(partition)

    def promote_partition(self, partition: int, epoch: int) -> None:
        super().promote_partition(partition, epoch)
        self._world.began(partition, epoch)
        run = next((it for it in self._world.live() if it.data_plane is self), None)
        if run is not None:
            self._world.checks.promoted(run, partition, epoch)

    def require_copies(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int:
        if self._world.mutant is Mutant.JOINING_NOT_WAITED_FOR:
            copies = copies[: in_sync_count - 1]
        return super().require_copies(partition, copies, in_sync_count)

    def drain_partitions(self, copies: Sequence[tuple[int, str]], timeout_ms: int) -> list[bool]:
        if self._world.mutant is Mutant.NOTHING_DRAINED:
            return [True] * len(copies)
        return super().drain_partitions(copies, timeout_ms)

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
    address: str
    is_alive: bool = True
    upkeeps: list[SimulatedUpkeep] = field(default_factory=list)

    @property
    def plane(self) -> _WatchedDataPlane:
        return self.data_plane

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


class World:
    """One seed's cluster."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        mutant: Mutant,
        harms: tuple[str, ...],
        unclean: Unclean = Unclean.CLEAR,
    ) -> None:
        self.loop = loop
        self.harms = harms
        self.is_over = False
        self.mutant = mutant
        self.rng = random.Random(seed)
        self.broken: list[str] = []
        self.etcd = WatchedEtcd(loop.now_ns, self.broken)
        self.etcd.changed_record = self._changed_record
        self.network = MemoryNetwork()
        self.network.reaches = self._reaches
        if mutant is Mutant.COPY_ID_KEPT:
            self.network.draw = lambda copy_id: copy_id
        self.checks = ReplicationChecks(
            PARTITIONS, random.Random(self.rng.getrandbits(64)), self.broken
        )
        self.needless = NeedlessLosses(self.loop.time, self.broken)
        self.slow_until = 0.0
        self.processes: dict[NodeId, Process] = {}
        self.impostors: list[Process] = []
        self.config = ClusterConfig(
            PARTITIONS, self.rng.choice((1, 1, 2)), TTL_SECONDS, 1, "sim", unclean=unclean
        )
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

    def began(self, partition: int, epoch: int) -> None:
        if (partition, epoch) in self._opened:
            self.broken.append(f"partition {partition} was served twice at epoch {epoch}")
        self._opened.add((partition, epoch))
        self.check()

    def registered(self) -> list[Process]:
        """Those whose key stands."""
        return [it for it in self.live() if self.etcd.incarnation_of(it.node) == it.incarnation]

    def _changed_record(
        self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord
    ) -> None:
        registered = self.registered()
        self.checks.wrote(by, old, new, list(registered))
        self.needless.wrote(by, old, new, registered, self.live())

    # How copies come along.

    def _reaches(self, one: str, other: str) -> bool:
        ends = [it for it in self.live() if it.address in {one, other}]
        return all(it.network.reaches_peers for it in ends)

    async def replicate(self) -> None:
        """Let a client write and copies follow, by chance."""
        rng = random.Random(self.rng.getrandbits(64))
        while True:
            await asyncio.sleep(0.02)
            now = self.loop.time()
            unpaused = [it for it in self.live() if it.network.paused_until <= now]
            if rng.random() < 0.5:
                self.checks.write_something(unpaused, now)
            slow = 0.9 if now < self.slow_until else 0.2
            for address, partition in self.network.follower_steps():
                if rng.random() >= slow:
                    self.network.step(address, partition)
            self.checks.take_answers(unpaused, now)
            if rng.random() < 0.1:
                self.checks.check_named(self.etcd.records(), list(self.live()))

    # What the coordinator does.

    def found(self) -> None:
        """Create the cluster: config, members, planned records."""
        changes = [Put(KEYS.config, encode_config(self.config))]
        for node in NODES:
            member = Member(node, MemberState.ACTIVE, 100, "")
            changes.append(Put(KEYS.member(node), encode_member(member)))
        for number in range(PARTITIONS):
            start = self.rng.randrange(len(NODES))
            copies = 1 + self.config.replica_count
            order = (*NODES[start:], *NODES[:start])[: self.rng.choice((copies, 4))]
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

        address = f"{mark}:1"
        data_plane = _WatchedDataPlane(
            self, DataPlaneSettings(node, address, PARTITIONS, 1 << 20, 1)
        )
        registration = NodeRegistration(
            node, data_plane.start(), "", 100, incarnation, "0", "http://localhost"
        )
        membership = MembershipPorts(
            store, KEYS, lambda: network.is_well, make_upkeep, self.loop.now_ns, offload
        )
        fence = Fence(data_plane.set_lease_deadline, self.loop.now_ns)
        ports = AgentPorts(
            membership,
            data_plane,
            fence,
            MemoryPeers(self.network, address),
            lambda: f"{network.rng.getrandbits(64):016x}",
            AgentCounts(),
        )
        policy = replace(timing_for(TTL_SECONDS).policy, replication_poll_ms=50)
        agent = Agent(ports, registration, self.config, policy)
        self._mutate(agent)
        task = self.loop.create_task(agent.run())
        process = Process(
            node, incarnation, network, data_plane, agent, task, address, upkeeps=upkeeps
        )
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
        self.slow_until = 0.0
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
            case "lonely":
                network.lonely_until = now + for_seconds
            case "deaf":
                network.loss = network.slow = 0.0
                network.deaf_until = now + TTL_SECONDS + rng.random()
                self.needless.deafened(process)
            case "etcd away":
                self.etcd.lose_all_leases()
                away = 2 * TTL_SECONDS + rng.uniform(0.2, 1.5)
                back = [now + away + rng.random() for _ in NODES]
                self.loop.call_later(0.05, self.needless.etcd_went_away, self.live(), back)
            case "slow copies":
                self.slow_until = now + for_seconds
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
            lacking = self._unreplicated(partition, owners[0])
            if lacking:
                return lacking
        return ""

    def _unreplicated(self, partition: int, owner: Process) -> str:
        record = next(it for it in self.etcd.records() if it.partition == partition)
        holders = [
            it
            for it in self.live()
            if any(it.data_plane.copy_id(partition) == copy.copy_id for copy in record.in_sync)
        ]
        wanted = min(1 + self.config.replica_count, len(self.live()))
        if len(holders) < wanted or len(record.in_sync) != len(holders):
            return f"partition {partition} has {len(holders)} of {wanted} copies: {record.in_sync}"
        return ""


def simulate(
    seed: int,
    mutant: Mutant = Mutant.NONE,
    harms: tuple[str, ...] = HARMS,
    unclean: Unclean = Unclean.CLEAR,
) -> list[str]:
    """Run one seed; return what broke."""

    async def run(loop: VirtualLoop) -> list[str]:
        world = World(loop, seed, mutant, harms, unclean)
        world.found()
        world.start_all()
        ticking = loop.create_task(world.tick())
        replicating = loop.create_task(world.replicate())
        await world.disturb()
        world.heal()
        await world.served()
        ticking.cancel()
        replicating.cancel()
        if replicating.done() and not replicating.cancelled():
            replicating.result()
        world.end()
        return world.broken

    return run_virtually(run)
