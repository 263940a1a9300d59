"""How quiet it is when a fourth node joins three that are busy and full.

Three nodes, two copies of everything, as real processes on loopback, each held to a part of a
core, the fourth as well: elsewhere it would bring a machine of its own, here it would take its
CPU from the three. They are filled, then a load is looked for that leaves 30 % of its part to
the busiest of them, and goes on: a loader at every node reads keys of the whole cluster, of
which the node forwards most, and one more writes some of them again. The fourth node is started
and takes its share. A latency counts from when its request was due, so that a pause is seen by
all who would have come meanwhile.

What saturates a node is told by its CPU and not by what it answers at most: a node that is
late answers many requests at once, each of which costs a fraction of one that comes alone.

Nothing expires and memory is enough, so each read must hit, with the value of its key: the
first answer that is wrong, missing or an error ends the run without a figure. The database
behind such a cache would have been asked for nothing.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.soak.cluster import Cluster, Shape
from tools.soak.loopback import Loopback

from bench.finding import Finding, Goal, Row
from bench.loader_process import Load, Running, run
from bench.machine import Interference, cpu_seconds, interference, reading
from bench.measured import Measured, Slice, quantile_us
from bench.noise import judge
from bench.quota import held
from bench.sample import Sample
from bench.scenarios.handoff import is_settled
from bench.scenarios.plan import Plan
from bench.servers import Server
from bench.servers.shoal import running_node
from shoal.cli.coordinator import administered
from shoal.v1 import admin_pb2
from shoal_coordinator.creation import SNAPSHOT_BYTES_PER_SECOND_AT_FIRST
from shoal_coordinator.registry.records import NodeId

NAME = "join"
P99_GOAL = Goal(2)
P999_GOAL = Goal(4)
NODES = 3
JOINS = 3
NODE_SHARE = 0.3
"""Of a core, for a node's whole process. Its snapshots may go at as large a part of the rate of
a new cluster. Four of them, the loaders, coordinators and etcd must leave some of two cores to
spare: at 0.4 all would take what there is, and what is measured is how they wait for cores."""
DATA_BYTES = 2 << 30
LOAD_PART = 0.7
"""Of what the busiest node may use."""
PILOT_STEP = 0.8
"""Of the pilot before, until one leaves enough."""
WRITES_PART = 0.1
VALUE_BYTES = 1024
_MAXMEMORY = "3GiB"
_FILL_BATCH = 100
_LOOK_SECONDS = 5.0
_CALM_LOOKS = 4
_AFTER_LOOKS = 2
_SETTLED_SECONDS_MAX = 600.0


@dataclass(slots=True)
class Period:
    """What all loaders saw in some looks, one after the other."""

    slices: list[Slice] = field(default_factory=list)
    operations: int = 0

    def add(self, looks: Sequence[Measured]) -> None:
        self.slices += [each for look in looks for each in look.slices]
        self.operations += sum(look.operations for look in looks)

    def us(self, share: float) -> int:
        return quantile_us(self.slices, share)


@dataclass(slots=True)
class Join:
    """What came of one."""

    before: Period = field(default_factory=Period)
    meanwhile: Period = field(default_factory=Period)
    after: Period = field(default_factory=Period)
    reads_per_second: float = 0.0
    settled_seconds: float = 0.0
    partitions: int = 0
    beside: Interference | None = None


def measure(plan: Plan) -> list[Finding]:
    """Two findings: p99 and p99.9, while a node joins beside before."""
    data_bytes = 32 << 20 if plan.is_quick else DATA_BYTES
    joins = []
    for turn in range(1 if plan.is_quick else JOINS):
        plan.say(f"join {turn + 1}: {data_bytes // VALUE_BYTES:,} keys of {VALUE_BYTES} bytes")
        joins.append(_joined(plan, data_bytes // VALUE_BYTES))
    return findings(joins, data_bytes, plan.core_count)


def findings(joins: Sequence[Join], data_bytes: int, core_count: int) -> list[Finding]:
    """Pure."""
    settled = Sample.of([it.settled_seconds for it in joins])
    rates = ", ".join(f"{it.reads_per_second:,.0f}" for it in joins)
    notes = (
        f"each node is held to {NODE_SHARE:.0%} of a core, and its snapshots to as much of the "
        "rate of a new cluster",
        f"{data_bytes / (1 << 30):.2f} GiB of values; {rates} reads a second and "
        f"{WRITES_PART:.0%} as many writes take {LOAD_PART:.0%} of it at most before",
        f"node-4 had {', '.join(str(it.partitions) for it in joins)} of 256 partitions, and all "
        f"copies, {settled.low:.0f} to {settled.high:.0f} s after its start, to the "
        f"{_LOOK_SECONDS:.0f} s of a look",
        f"{sum(it.meanwhile.operations for it in joins):,} operations while it joined: no error, "
        "no miss, no wrong value",
    )
    return [
        _finding(joins, core_count, name, share, goal, notes)
        for name, share, goal in (("p99", 0.99, P99_GOAL), ("p99.9", 0.999, P999_GOAL))
    ]


def _finding(
    joins: Sequence[Join],
    core_count: int,
    name: str,
    share: float,
    goal: Goal,
    notes: tuple[str, ...],
) -> Finding:
    before = Sample.of([it.before.us(share) for it in joins])
    meanwhile = Sample.of([it.meanwhile.us(share) for it in joins])
    after = Sample.of([it.after.us(share) for it in joins])
    figure = Sample.of([it.meanwhile.us(share) / max(1, it.before.us(share)) for it in joins])
    beside = [it.beside for it in joins if it.beside is not None]
    return Finding(
        name=f"{NAME}-{name}",
        title="a fourth node joins three whose busiest uses 70 % of its CPU",
        unit=f"{name} us",
        rows=(
            Row("Shoal", "before", before),
            Row("Shoal", "while it joins", meanwhile),
            Row("Shoal", "after", after),
        ),
        figure_name=f"{name}, while it joins / before",
        figure=figure,
        goal=goal,
        reasons=judge(figure, beside, core_count).reasons,
        notes=notes,
        # Noise lengthens what requests take: what the worst of joins meets beside the calmest
        # of times before is met.
        needs_quiet=not goal.holds(meanwhile.high / max(1, before.low)),
    )


def _joined(plan: Plan, keys: int) -> Join:
    """A new cluster, from its start to two looks after the fourth node has its share."""
    shape = Shape(
        nodes=NODES, replicas=1, partitions=256, lease_ttl_seconds=3, maxmemory=_MAXMEMORY
    )
    join = Join()
    with (
        TemporaryDirectory(prefix="shoal-join-") as folder,
        Cluster(shape, Loopback(), Path(folder)) as cluster,
        ExitStack() as holds,
    ):
        cluster.chronicle.until(is_settled, "everything at rest", _SETTLED_SECONDS_MAX)
        cluster.chronicle.give_way()
        servers = _servers(cluster)
        run(servers[0], _fill(keys))
        for server in servers:
            holds.enter_context(held(server.pid, NODE_SHARE))
        _bound_snapshots(cluster)
        doors = [*servers, servers[0]]
        rates = _bearable(plan, servers, doors, keys)
        join.reads_per_second = sum(rates)
        loads = _paced(keys, rates)
        first, own_first = reading(), _own_seconds(cluster)
        for _ in range(1 if plan.is_quick else _CALM_LOOKS):
            join.before.add(_looked(doors, loads))
        joining = cluster.add_node("node-4")
        joining.start()
        holds.enter_context(held(joining.pid, NODE_SHARE))
        began = time.monotonic()
        while not join.settled_seconds:
            join.meanwhile.add(_looked(doors, loads))
            if len(cluster.chronicle.view.nodes) > NODES and _has_its_share(cluster):
                join.settled_seconds = time.monotonic() - began
            if time.monotonic() - began > _SETTLED_SECONDS_MAX:
                raise AssertionError(f"node-4 had not its share after {_SETTLED_SECONDS_MAX:.0f} s")
        for _ in range(_AFTER_LOOKS):
            join.after.add(_looked(doors, loads))
        join.beside = interference(first, reading(), _own_seconds(cluster) - own_first)
        join.partitions = len(cluster.primaries("node-4"))
    return join


def _bearable(
    plan: Plan, servers: Sequence[Server], doors: Sequence[Server], keys: int
) -> list[float]:
    """Reads a second at each node that leave enough to the busiest, with their writes."""
    unpaced = _looked(servers, [_reads(keys, 0, turn) for turn in range(NODES)])
    rates = [it.per_second for it in unpaced]
    while True:
        pilot = _looked(doors, _paced(keys, rates))
        used = max(it.server_share for it in pilot) / NODE_SHARE
        plan.say(f"join: {sum(rates):,.0f} reads a second take {used:.0%} of the busiest node")
        if used <= LOAD_PART:
            return rates
        rates = [PILOT_STEP * each for each in rates]


def _paced(keys: int, rates: Sequence[float]) -> list[Load]:
    reads = [_reads(keys, each, turn) for turn, each in enumerate(rates)]
    return [*reads, _writes(keys, WRITES_PART * sum(rates))]


def _bound_snapshots(cluster: Cluster) -> None:
    rate = int(NODE_SHARE * SNAPSHOT_BYTES_PER_SECOND_AT_FIRST)
    with administered(str(cluster.addresses["coordinator-1"])) as admin:
        admin.UpdateConfig(admin_pb2.UpdateConfigRequest(snapshot_bytes_per_second=rate))


def _has_its_share(cluster: Cluster) -> bool:
    return is_settled(cluster.chronicle.view) and bool(cluster.primaries("node-4"))


def _servers(cluster: Cluster) -> list[Server]:
    view = cluster.chronicle.view
    return [
        running_node(
            str(cluster.addresses[name]),
            cluster.nodes[name].pid,
            view.nodes[NodeId(name)].registration.metrics_url,
        )
        for name in cluster.nodes
    ]


def _looked(servers: Sequence[Server], loads: Sequence[Load]) -> list[Measured]:
    """One look of all loaders at once. Raises LoadFailed with what was answered wrongly."""
    running = [Running(server, load) for server, load in zip(servers, loads, strict=True)]
    return [each.finish() for each in running]


def _fill(keys: int) -> Load:
    return Load(
        operation="set",
        shape="many",
        batch=_FILL_BATCH,
        connections=4,
        streams=4,
        keys=keys,
        value_bytes=VALUE_BYTES,
        is_fill=True,
    )


def _reads(keys: int, rate: float, turn: int) -> Load:
    """``rate`` 0: as many as go."""
    return Load(
        connections=4,
        streams=32,
        keys=keys,
        value_bytes=VALUE_BYTES,
        seconds=_LOOK_SECONDS,
        rate=int(rate),
        slice_ms=int(_LOOK_SECONDS * 1000) if rate else 0,
        seed=turn + 1,
        has_core=False,
    )


def _writes(keys: int, rate: float) -> Load:
    return replace(_reads(keys, rate, NODES), operation="set", slice_ms=0)


def _own_seconds(cluster: Cluster) -> float:
    """Of the cluster, this process, and the loaders that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    programs = sum(cpu_seconds(it.pid) for it in cluster.programs if it.is_running)
    return programs + ended.ru_utime + ended.ru_stime + time.process_time()
