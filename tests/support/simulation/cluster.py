"""A whole cluster, from one seed: ``simulate`` runs it and says what broke.

At every moment: at most one process would acknowledge a write of a partition, none is
served twice at one epoch, and ``promises`` hold. When it is left alone, every partition
is served, has as many copies in sync as are wanted, and they are equal.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shoal_coordinator.registry.port import Put, Revision
from shoal_coordinator.registry.records import (
    UNTAKEN,
    ClusterConfig,
    Incarnation,
    Member,
    MemberState,
    NodeId,
    PartitionId,
    PartitionRecord,
    Unclean,
)
from shoal_node.timing import timing_for
from simulation.client import Clients
from simulation.coordinator import Coordinator
from simulation.etcd import SimulatedEtcd
from simulation.events import SECOND_US, WORLD, Events
from simulation.harms import Harms, drawn
from simulation.members import Members
from simulation.mutants import Mutant, taken_away
from simulation.needless import NeedlessLosses
from simulation.plain import PlainRecords
from simulation.plane import SimulatedPlane
from simulation.process import Process, Terrain, driven_by_events
from simulation.promises import Promises
from simulation.streams import Streams
from watched_etcd import KEYS

STEPS = 2_000
_FAULTY_SHARE = 0.89
"""Some 230 steps more and a cluster that is left alone is whole: about ``STEPS`` in all."""
_QUIET_SECONDS = 40
_QUIET_LOOK_STEPS = 40
_TTL_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one seed."""

    broken: list[str]
    steps: int
    seconds: float
    """Of virtual time."""
    counts: dict[str, int] = field(default_factory=dict)


class Cluster:
    """One seed's."""

    def __init__(self, seed: int, mutant: Mutant, unclean: Unclean | None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        rng = self.rng
        self.mutant = mutant
        self.broken: list[str] = []
        self.done: Counter[str] = Counter()
        self.events = Events()
        self.records = PlainRecords()
        self.ttl = _TTL_SECONDS
        self.partitions = 2
        self.nodes = [NodeId(f"n{number}") for number in range(rng.choice((3, 3, 3, 4, 5)))]
        self.compacted = Revision(0)
        self.config = ClusterConfig(
            self.partitions,
            rng.choice((1, 1, 2)),
            self.ttl,
            1,
            "sim",
            min_in_sync=rng.choice((1, 1, 1, 2)),
            unclean=unclean or rng.choice((Unclean.CLEAR, Unclean.CLEAR, Unclean.KEEP)),
        )
        self.log_bytes = rng.choice((0, 0, 1_500))
        self.is_over = False
        self._opened: set[tuple[int, int]] = set()
        self._impostors: list[Process] = []
        self._live: list[Process] | None = None

    def begin(self, harms: dict[str, int] | None) -> None:
        """Found it and start everything. ``harms``: done to it, instead of what is drawn."""
        rng = self.rng
        self.etcd = SimulatedEtcd(self.events, self.broken)
        self.promises = Promises(
            self.broken, self.registered, keeps=self.config.unclean is Unclean.KEEP
        )
        copies_wanted = 1 + self.config.replica_count
        self.needless = NeedlessLosses(self.events, self.live, self.broken, copies_wanted)
        self.etcd.changed_record = self._wrote
        self.streams = Streams(self.events, self._random())
        self.streams.find = self._running
        timing = timing_for(self.ttl)
        policy = replace(timing.policy, replication_poll_ms=20)
        self._terrain = Terrain(
            self.events,
            self.etcd,
            self.streams,
            self.config,
            replace(timing, policy=policy),
            self.mutant,
        )
        self._found()
        self.processes = {node: self._start(node) for node in self.nodes}
        self.came_or_went()
        self.coordinator = Coordinator("c0", self.etcd, self._random(), self.ttl)
        # Of their own, so that other seeds stay what they were.
        operators = random.Random(f"operators of {self.seed}")
        self.members = Members(self.etcd, self.records, operators)
        self.clients = Clients(self, self._random(), self.promises)
        self.harms = Harms(self, self._random(), drawn(rng) if harms is None else harms)

    def _random(self) -> random.Random:
        return random.Random(self.rng.getrandbits(64))

    def _found(self) -> None:
        changes = [Put(KEYS.config, self.records.encode(self.config))]
        for node in self.nodes:
            member = Member(node, MemberState.ACTIVE, 100, "")
            changes.append(Put(KEYS.member(node), self.records.encode(member)))
        for number in range(self.partitions):
            start = self.rng.randrange(len(self.nodes))
            order = (*self.nodes[start:], *self.nodes[:start])
            record = PartitionRecord(
                PartitionId(number), UNTAKEN, None, None, (), (), preference=order
            )
            key = KEYS.partition(record.partition)
            changes.append(Put(key, self.records.encode(record)))
        self.etcd.commit_by(None, (), changes)

    # Processes.

    def _start(self, node: NodeId, mark: str | None = None) -> Process:
        return Process(self, self._terrain, node, self._random(), self.log_bytes, mark)

    def start_impostor(self, node: NodeId) -> None:
        """Another process under this node's id, elsewhere."""
        self._impostors.append(self._start(node, f"elsewhere{len(self._impostors)}"))
        self.came_or_went()

    def live(self) -> list[Process]:
        """Those that run, impostors last. Not to be changed."""
        if self._live is None:
            every = (*self.processes.values(), *self._impostors)
            self._live = [it for it in every if it.is_alive]
        return self._live

    def came_or_went(self) -> None:
        self._live = None

    def registered(self) -> list[Process]:
        return [it for it in self.live() if it.is_registered]

    def _running(self, address: str) -> Process | None:
        return next((it for it in self.live() if it.name == address), None)

    def restart_later(self, node: NodeId, delay_us: float) -> None:
        self.events.after(delay_us, WORLD, self._restart, node)

    def _restart(self, node: NodeId) -> None:
        if not self.processes[node].is_alive and not self.is_over:
            self.processes[node] = self._start(node)
            self.came_or_went()

    def restart_coordinator(self) -> None:
        self.coordinator.crash()
        name = f"c{self.rng.randrange(1000)}"
        self.coordinator = Coordinator(name, self.etcd, self._random(), self.ttl)

    def heal(self) -> None:
        """Leave it alone from now on."""
        self.harms.is_over = self.clients.is_quiet = True
        self.members.restore()
        self.streams.heal()
        self.etcd.down_until_us = self.etcd.stalled_until_us = 0
        for process in self._impostors:
            process.crash()
        for process in self.live():
            process.heal()
            for upkeep in process.upkeeps:
                upkeep.keeper.stalled_until_us = upkeep.stalls_at_next_us = 0
        for node in self.nodes:
            self.restart_later(node, 0)

    def settle(self, is_wanted: Callable[[], str] = lambda: "") -> None:
        """Wait until nothing is missing, nor is what ``is_wanted`` says; it is broken where
        that takes too long."""
        until_us = self.events.now_us + _QUIET_SECONDS * SECOND_US
        while not self.broken:
            self.events.run(self.events.steps + _QUIET_LOOK_STEPS, ())
            missing = self.what_is_missing() or is_wanted()
            if not missing:
                self.check_equal()
                break
            if self.events.now_us > until_us:
                self.broken.append(f"after {_QUIET_SECONDS} quiet seconds: {missing}")

    def end(self) -> None:
        self.is_over = True
        for process in self.live():
            process.crash()
        self.coordinator.crash()

    # What is seen.

    def did(self, kind: str) -> None:
        self.done[kind] += 1

    def server(self, partition: int) -> Process | None:
        """Who would answer a write now."""
        for process in self.live():
            plane = process.plane
            if partition in plane.serving and not plane.refuses(partition):
                return process
        return None

    def named(self, partition: int) -> list[Process]:
        """Those whose very copy the record names as in sync."""
        in_sync = self.etcd.record(partition).in_sync
        return [
            process
            for process in self.live()
            for copy in in_sync
            if process.node == copy.node and process.plane.copies.copy_id(partition) == copy.copy_id
        ]

    def heard(self, process: Process) -> None:
        self.clients.answer(process)

    def answers(self, process: Process, partition: int, epoch: int) -> None:
        """A process answers now what it evaluated at this epoch."""
        for other in self.live():
            if other is not process and not other.plane.refuses(partition):
                self.broken.append(
                    f"partition {partition}: {process.node} answers at epoch {epoch}, and "
                    f"{other.node} serves it at epoch {other.plane.serving[partition]}"
                )

    # A ``Watcher`` of data planes.

    def may_acknowledge(self, partition: int | None) -> None:
        for each in range(self.partitions) if partition is None else (partition,):
            serving = [it for it in self.live() if not it.plane.refuses(each)]
            if len(serving) > 1:
                names = ", ".join(f"{it.node} at epoch {it.plane.serving[each]}" for it in serving)
                self.broken.append(f"partition {each} is acknowledged by {names}")

    def opened(self, plane: SimulatedPlane, partition: int, epoch: int) -> None:
        self._begins(partition, epoch)

    def promoted(self, plane: SimulatedPlane, partition: int, epoch: int) -> None:
        self._begins(partition, epoch)
        assert isinstance(plane.host, Process)
        self.promises.promoted(plane.host, partition, epoch)

    def _begins(self, partition: int, epoch: int) -> None:
        if (partition, epoch) in self._opened:
            self.broken.append(f"partition {partition} was served twice at epoch {epoch}")
        self._opened.add((partition, epoch))

    def changed_roles(self, plane: SimulatedPlane) -> None:
        assert isinstance(plane.host, Process)
        self.streams.attend(plane.host)
        plane.host.heard()

    def has_news(self, plane: SimulatedPlane) -> None:
        assert isinstance(plane.host, Process)
        self.streams.news_of(plane.host)
        plane.host.heard()

    def _wrote(self, by: Incarnation | None, old: PartitionRecord, new: PartitionRecord) -> None:
        self.promises.wrote(by, old, new)
        self.needless.wrote(by, old, new)
        for process in self.named(new.partition):
            what = f"{process.node} is named in sync at epoch {new.epoch}"
            self.promises.check_copy(process, new.partition, what)

    # Its end.

    def what_is_missing(self) -> str:
        """A sentence; empty once everything is as it should be."""
        if len(self.live()) < len(self.nodes):
            return "a node does not live"
        if not all(it.plane.is_ready for it in self.live()):
            return "a node is not ready"
        wanted = min(1 + self.config.replica_count, len(self.nodes))
        for partition in range(self.partitions):
            serving = [it for it in self.live() if not it.plane.refuses(partition)]
            if len(serving) != 1:
                return f"partition {partition} is served by {len(serving)}"
            named = self.named(partition)
            record = self.etcd.record(partition)
            if len(named) != wanted or len(record.in_sync) != wanted or serving[0] not in named:
                return f"partition {partition} has not {wanted} copies in sync: {record.in_sync}"
            at = {it.plane.copies.position(partition) for it in named}
            if len(at) > 1:
                return f"partition {partition} has copies at {at}"
        return ""

    def check_equal(self) -> None:
        """All copies in sync have the same, and what was promised."""
        for partition in range(self.partitions):
            named = self.named(partition)
            contents = {}
            for it in named:
                self.promises.check_copy(it, partition, f"{it.node}, in the end, is")
                keys = (b"%c%d" % (kind, n) for kind in b"spc" for n in range(4))
                found = {key: it.plane.copies.find(partition, key, it.now_ms()) for key in keys}
                contents[it.node] = found
            if any(found != contents[named[0].node] for found in contents.values()):
                self.broken.append(f"partition {partition} has copies that differ: {contents}")


def simulate(
    seed: int,
    mutant: Mutant = Mutant.NONE,
    harms: dict[str, int] | None = None,
    unclean: Unclean | None = None,
    steps: int = STEPS,
) -> Run:
    """Run one seed. Stops at the first thing that is broken."""
    cluster = Cluster(seed, mutant, unclean)
    events, broken = cluster.events, cluster.broken
    with driven_by_events(), cluster.records.in_use(), taken_away(mutant):
        cluster.begin(harms)
        began_us = events.now_us
        faulty = int(steps * _FAULTY_SHARE)
        events.run(faulty, broken)
        cluster.heal()
        cluster.settle()
        cluster.end()
    seconds = (events.now_us - began_us) / SECOND_US
    counts = {**cluster.promises.counts, **cluster.done, **cluster.members.done}
    return Run(broken, events.steps, seconds, counts)
