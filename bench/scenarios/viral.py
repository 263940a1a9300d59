"""One key that is read ten times as often as its node can answer.

The node is held to a part of a core, so that two cores can bring so many readers. How much
it can answer is measured first, by the loader, asked as applications ask: one at a time on
each of many connections. What it answers where requests are sent in bulk stands beside. Then
applications read the key through the toolkit, with near caches, and what comes through to
the node and to the origin is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from bench.finding import Finding, Goal, Row
from bench.loader_process import Load, run
from bench.machine import Interference, cpu_seconds, interference, on_cores, reading
from bench.noise import judge
from bench.quota import held
from bench.readers import FRESH_SECONDS
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.servers import Server, shoal_cluster

NAME = "viral"
GOAL = Goal(10.0, is_ceiling=False)
NODE_SHARE = 0.1
"""Of a core, for the node's whole process, agent included."""
READERS = 2
SECONDS = 10.0
KEY = "viral:1"


@dataclass(frozen=True, slots=True)
class Crowd:
    """What all readers did together, and what came through; a second, each."""

    reads: float
    node_reads: float
    loads: float
    node_share: float
    interference: Interference


def measure(plan: Plan) -> list[Finding]:
    seconds = 2.0 if plan.is_quick else SECONDS
    turns = min(plan.repetitions, 3)
    capacities, in_bulk, crowds = [], [], []
    notes = (
        f"the node is held to {NODE_SHARE:.0%} of a core; the value is fresh for "
        f"{FRESH_SECONDS} s, so the origin is needed {1 / FRESH_SECONDS:g} times a second",
    )
    with shoal_cluster((plan.cores.server,)) as server, ExitStack() as stack:
        stack.enter_context(held(server.pid, NODE_SHARE))
        one_key = Load(keys=1, seconds=plan.seconds, connections=50, streams=1)
        run(server, Load(operation="set", keys=1, connections=1, streams=1, is_fill=True))
        for turn in range(turns):
            plan.say(f"viral, run {turn + 1}")
            capacities.append(run(server, one_key).per_second)
            in_bulk.append(run(server, replace(one_key, connections=4, streams=32)).per_second)
            crowds.append(_crowd(server, f"{KEY}:{turn}", seconds, plan))
    times = Sample.of([ours.reads / most for ours, most in zip(crowds, capacities, strict=True)])
    came_through = {
        "node_reads_per_second": Sample.of([crowd.node_reads for crowd in crowds]).median,
        "origin_loads_per_second": Sample.of([crowd.loads for crowd in crowds]).median,
        "node_share_of_a_core": Sample.of([crowd.node_share for crowd in crowds]).median,
    }
    return [
        Finding(
            name=NAME,
            title=f"One viral key, read by {READERS} processes with near caches",
            unit="reads/s",
            rows=(
                Row("Shoal", "most that its node answers, GET 50 x 1", Sample.of(capacities)),
                Row("Shoal", "GET 4 x 32", Sample.of(in_bulk)),
                Row("Shoal", "read", Sample.of([crowd.reads for crowd in crowds]), came_through),
            ),
            figure_name="reads / what the node can answer",
            figure=times,
            goal=GOAL,
            reasons=judge(times, [crowd.interference for crowd in crowds], plan.core_count).reasons,
            notes=(
                *notes,
                "of these reads "
                + ", ".join(f"{name} {value:.2f}" for name, value in came_through.items()),
            ),
        )
    ]


def _crowd(server: Server, key: str, seconds: float, plan: Plan) -> Crowd:
    with ExitStack() as stack:
        readers = [
            stack.enter_context(_reader(server, key, core))
            for core in (plan.cores.loader, plan.cores.server)[:READERS]
        ]
        for reader in readers:
            if _answer(reader) != "ready":
                raise RuntimeError("the readers of the viral key did not begin; it said why above")
        before, node_before = reading(), server.counts().reads
        own_before = sum(cpu_seconds(each.pid) for each in readers)
        cpu_before = cpu_seconds(server.pid)
        for reader in readers:
            assert reader.stdin is not None
            reader.stdin.write(f"{seconds}\n")
            reader.stdin.flush()
        told = [json.loads(_answer(reader)) for reader in readers]
        cpu = cpu_seconds(server.pid) - cpu_before
        own = cpu + sum(cpu_seconds(each.pid) for each in readers) - own_before
        beside = interference(before, reading(), own)
        node_reads = server.counts().reads - node_before
    if any(each["wrong"] for each in told):
        raise RuntimeError(f"{sum(each['wrong'] for each in told)} answers were wrong")
    took = max(each["seconds"] for each in told)
    return Crowd(
        reads=sum(each["reads"] / each["seconds"] for each in told),
        node_reads=node_reads / took,
        loads=sum(each["loads"] for each in told) / took,
        node_share=cpu / took,
        interference=beside,
    )


@contextmanager
def _reader(server: Server, key: str, core: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.readers", server.address, key]
    with on_cores([core]):
        starting = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with starting as process:
        try:
            yield process
        finally:
            process.terminate()


def _answer(reader: subprocess.Popen[str]) -> str:
    assert reader.stdout is not None
    return reader.stdout.readline().strip()
