"""For how long a key takes no write when its node is stopped in order, under load.

A cluster of three nodes, two copies of everything, as real processes on loopback. One node
after the other gets SIGTERM while keys are written as fast as the load says, each by a thread
of its own; when it has ended it is started again, and the next one waits until everything
has its copies back.

Two times are told. *Gap*: the longest time between two acknowledged writes of a key that the
node had, with the pause between two of its writes in it; beside it that of keys which stay
where they are, which is what the machine does by itself. *Freeze to served*: from the node's
decision to hand a partition over to its target's to serve it, of every partition, as their
logs say.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.soak.cluster import Cluster, Shape, lives
from tools.soak.loopback import Loopback
from tools.soak.prober import Prober

from bench.finding import Finding, Goal, Row
from bench.machine import cpu_seconds, interference, reading
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan
from shoal_coordinator.registry.view import ClusterView

NAME = "handoff"
GOAL = Goal(50)
WRITES_PER_SECOND = 1_000
MOVED_KEYS = 8
STAYING_KEYS = 4
COPIES = 2
_SETTLED_SECONDS = 120.0
_CALM_SECONDS = 1.0
"""Of writes before the signal."""


@dataclass
class Stops:
    """Milliseconds, of every stop so far."""

    moved: list[float] = field(default_factory=list)
    staying: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    unclean: int = 0
    """Nodes that ended with something left, or by themselves."""
    cpu_seconds: list[float] = field(default_factory=list)
    """Of the nodes that went on, each from the signal to the end."""


def measure(plan: Plan) -> list[Finding]:
    """The figure is the worst gap of each stop's keys."""
    partitions, stops = (16, 1) if plan.is_quick else (256, plan.repetitions)
    shape = Shape(nodes=3, replicas=COPIES - 1, partitions=partitions, lease_ttl_seconds=3)
    told, worst, beside = Stops(), [], []
    with (
        TemporaryDirectory(prefix="shoal-handoff-") as folder,
        Cluster(shape, Loopback(), Path(folder)) as cluster,
    ):
        for turn, name in enumerate(islice(cycle(cluster.nodes), stops)):
            plan.say(f"handoff, stop {turn + 1} of {stops}")
            settle(cluster)
            before = reading()
            own = _stop(cluster, name, told)
            beside.append(interference(before, reading(), own))
            worst.append(max(told.moved[-MOVED_KEYS:]))
        told.served = [ms for ms in freeze_to_served_ms(_lines(cluster)).values() if ms > 0]
    figure = Sample.of(worst)
    rows = {
        "keys that move": told.moved,
        "keys that stay": told.staying,
        "freeze to served": told.served,
    }
    return [
        Finding(
            name=NAME,
            title=f"no write of a key while its node stops: {partitions} partitions, "
            f"{WRITES_PER_SECOND:,} writes a second",
            unit="ms",
            rows=tuple(Row("Shoal", name, Sample.of(values)) for name, values in rows.items()),
            figure_name="worst gap of a stop, ms",
            figure=figure,
            goal=GOAL,
            reasons=judge(figure, beside, plan.core_count).reasons,
            notes=(
                *(f"{name}: {_percentiles(values)}" for name, values in rows.items()),
                f"{len(told.errors)} errors at clients {told.errors[:3]}, "
                f"{told.unclean} nodes that ended uncleanly",
                "CPU of a node that goes on, from the signal to the end: "
                f"{statistics.median(told.cpu_seconds):.2f} s (median)",
            ),
            # Noise lengthens a gap and shortens none: what is met is met.
            needs_quiet=not GOAL.holds(figure.high),
        )
    ]


def settle(cluster: Cluster) -> None:
    """Wait until every partition is where the plan wants it, with all its copies."""
    cluster.chronicle.until(is_settled, "everything at rest", _SETTLED_SECONDS)


def is_settled(view: ClusterView) -> bool:
    """Whether nothing is on its way: each partition with the first of its list, and all copies."""
    return bool(view.partitions) and all(
        held.record.handoff_to is None
        and view.primary_is_live(held.record)
        and held.record.primary is not None
        and held.record.primary.node == held.record.preference[0]
        and sum(lives(view, copy) for copy in held.record.in_sync) == COPIES
        for held in view.partitions.values()
    )


def _stop(cluster: Cluster, name: str, told: Stops) -> float:
    """One node, and start it again; return the CPU seconds of all nodes and the writers."""
    others = [it for it in cluster.nodes if it != name]
    moved = spread(cluster.primaries(name), MOVED_KEYS)
    staying = [it for other in others for it in spread(cluster.primaries(other), STAYING_KEYS // 2)]
    pause_seconds = len([*moved, *staying]) / WRITES_PER_SECOND
    pids = {it: cluster.nodes[it].pid for it in cluster.nodes}
    cpu_before = {it: cpu_seconds(pid) for it, pid in pids.items()}
    own_before = time.process_time()
    with Prober(
        cluster.seeds,
        [*moved, *staying],
        timeout="5s",
        ack="primary",
        max_attempts=1000,
        pause_seconds=pause_seconds,
    ) as prober:
        prober.wait_for_writes(time.monotonic_ns())
        time.sleep(_CALM_SECONDS)
        cpu_at_signal = {it: cpu_seconds(pids[it]) for it in others}
        at_ns = time.monotonic_ns()
        cluster.nodes[name].terminate()
        code = cluster.nodes[name].wait()
        told.cpu_seconds += [cpu_seconds(pids[it]) - cpu_at_signal[it] for it in others]
        prober.wait_for_writes(time.monotonic_ns())
    told.unclean += code != 0
    told.moved += [prober.written[it].longest_gap_ms(at_ns) for it in moved]
    told.staying += [prober.written[it].longest_gap_ms(at_ns) for it in staying]
    told.errors += [why for it in prober.written.values() for _, why in it.errors]
    cluster.nodes[name].start()
    used = sum(cpu_seconds(pids[it]) - cpu_before[it] for it in others)
    return used + time.process_time() - own_before


def spread(partitions: Sequence[int], count: int) -> list[int]:
    """So many of them, from all over; all where there are not as many. Pure."""
    count = min(count, len(partitions))
    return [partitions[at * len(partitions) // count] for at in range(count)]


def _lines(cluster: Cluster) -> Iterator[str]:
    for program in cluster.nodes.values():
        yield from program.said().splitlines()


def freeze_to_served_ms(lines: Iterable[str]) -> dict[tuple[int, int], float]:
    """Of all nodes' logs, by partition and epoch: what was handed over and served. Pure."""
    handed: dict[tuple[int, int], float] = {}
    served: dict[tuple[int, int], float] = {}
    for line in lines:
        if '"hand partition ' not in line and '"serve partition ' not in line:
            continue
        entry = json.loads(line)
        verb, _, partition, *rest = entry["event"].split()
        epoch = int(rest[rest.index("epoch") + 1].rstrip(":,"))
        at_ms = datetime.fromisoformat(entry["timestamp"]).timestamp() * 1000
        (handed if verb == "hand" else served)[int(partition), epoch] = at_ms
    return {it: served[it] - at_ms for it, at_ms in handed.items() if it in served}


def _percentiles(values: Sequence[float]) -> str:
    return (
        ", ".join(f"p{share} {percentile(values, share):.1f}" for share in (50, 90, 99))
        + f", worst {max(values):.1f} ms of {len(values)}"
    )


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest of them that so many hundredths of them do not exceed. Pure."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
