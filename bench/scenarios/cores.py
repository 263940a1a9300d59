"""What a second core gives: on keys of its own, and on one key that all cores read.

With two cores in all, a loader would take one of those that are to be measured. So the
service is called without a network, one thread a core (``shoal-plane cores``), by wall
time: a thread that waits for another is seen. ``apart`` runs a data plane of its own in each
thread: nothing is shared, and it tells what the machine itself can give.

Beside it, over the wire: CPU per key of a node with one thread and of one with two, and from
it their capacity. That sees what two threads cost each other, but not where they wait.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.binaries import binary
from bench.finding import Finding, Goal, Row
from bench.loader_process import Load, run
from bench.machine import Interference, interference, reading
from bench.measured import Measured
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.scenarios.wire import fill

NAME = "cores"
DISJOINT_GOAL = Goal(1.7, is_ceiling=False)
# A node that a hot key serialised would give 1.0 or less.
HOT_GOAL = Goal(1.2, is_ceiling=False)
KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Scaling:
    """Keys a second of one thread and of two, one after the other."""

    one: float
    two: float
    interference: Interference

    @property
    def gain(self) -> float:
        return self.two / self.one


def measure(plan: Plan) -> list[Finding]:
    runs: dict[str, list[Scaling]] = {"disjoint": [], "hot": [], "apart": []}
    for turn in range(plan.repetitions):
        plan.say(f"cores, round {turn + 1} of {plan.repetitions}")
        for keys, done in runs.items():
            done.append(_scaling(keys, plan.seconds))
    ceiling = Sample.of([each.gain for each in runs["apart"]])
    return [
        _in_process(plan, "cores-disjoint", runs["disjoint"], ceiling, DISJOINT_GOAL),
        _in_process(plan, "cores-hot-key", runs["hot"], ceiling, HOT_GOAL),
        _over_the_wire(plan),
    ]


def _in_process(
    plan: Plan, name: str, runs: Sequence[Scaling], ceiling: Sample, goal: Goal
) -> Finding:
    gains = Sample.of([each.gain for each in runs])
    reasons = list(judge(gains, [each.interference for each in runs], plan.core_count).reasons)
    if goal.bound > ceiling.median:
        reasons.append(
            f"two threads that share nothing get {ceiling.median:.2f} times the work of one done "
            "on this machine: its cores are not two whole ones"
        )
    what = {
        "cores-disjoint": "each thread reads keys of its own",
        "cores-hot-key": "all threads read one key",
    }[name]
    return Finding(
        name=name,
        title=f"the service without a network, MGet of 16, {what}",
        unit="M keys/s",
        rows=(
            Row("Shoal", "1 thread", Sample.of([each.one / 1e6 for each in runs])),
            Row("Shoal", "2 threads", Sample.of([each.two / 1e6 for each in runs])),
        ),
        figure_name="2 threads / 1",
        figure=gains,
        goal=goal,
        reasons=tuple(reasons),
        notes=(f"two threads that share nothing at all: {ceiling.median:.2f} times one",),
        needs_quiet=True,
    )


def _scaling(keys: str, seconds: float) -> Scaling:
    before = reading()
    one, two = _threads(1, keys, seconds), _threads(2, keys, seconds)
    own = one["cpu_seconds"] + two["cpu_seconds"] + one["made_seconds"] + two["made_seconds"]
    return Scaling(
        one=one["operations"] / one["seconds"],
        two=two["operations"] / two["seconds"],
        interference=interference(before, reading(), own),
    )


def _threads(count: int, keys: str, seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [str(binary("shoal-plane")), "cores", str(count), str(seconds), keys],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    said: dict[str, float] = json.loads(done.stdout)
    return said


def _over_the_wire(plan: Plan) -> Finding:
    keys = 2_000 if plan.is_quick else KEYS
    cores = (plan.cores.server, plan.cores.loader)
    load = Load(
        shape="batch", batch=16, streams=8, keys=keys, seconds=plan.seconds, operations_min=50_000
    )
    if plan.is_quick:
        load = replace(load, operations_min=0)
    with plan.shoal(cores[:1]) as one, plan.shoal(cores) as two:
        for server in (one, two):
            run(server, fill(keys))
        pairs = [(run(one, load), run(two, load)) for _ in range(plan.repetitions)]
    gains = Sample.of(
        [2 * first.cpu_us_per_operation / second.cpu_us_per_operation for first, second in pairs]
    )
    beside = [each.interference for pair in pairs for each in pair if each.interference is not None]
    return Finding(
        name="cores-capacity",
        title="Execute by 16 on a node of one thread and on one of two, by CPU per key",
        unit="us CPU a key",
        rows=(
            Row("Shoal", "1 thread", _cpu([first for first, _ in pairs])),
            Row("Shoal", "2 threads", _cpu([second for _, second in pairs])),
        ),
        figure_name="capacity of 2 / of 1",
        figure=gains,
        goal=DISJOINT_GOAL,
        reasons=judge(gains, beside, plan.core_count).reasons,
        notes=(
            "2 x the CPU per key with one thread / that with two: what cores are worth where "
            "the load comes from elsewhere; waiting is not in it",
        ),
    )


def _cpu(runs: Sequence[Measured]) -> Sample:
    return Sample.of([each.cpu_us_per_operation for each in runs])
