"""What a thousand clients that watch the topology cost a node, at one change a second.

A whole cluster of one node; the change is another address of a node that owns nothing, as
one that restarts would make it. What a change costs the agent is the node's own, whoever
watches, so the figure is what is more of it than with one watcher.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.finding import Finding, Goal, Row
from bench.machine import Interference, cpu_seconds, interference, on_cores, reading
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.servers import Server, shoal_cluster
from shoal_coordinator.registry.codec import encode_registration
from shoal_coordinator.registry.etcd.store import open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import Put
from shoal_coordinator.registry.records import Incarnation, NodeId, NodeRegistration

NAME = "watching"
WATCHERS = 1000
CHANGES_A_SECOND = 1.0
SECONDS = 20
GOAL = Goal(0.05)
"""Of a core."""
_GHOST = NodeId("bench-ghost")


@dataclass(frozen=True, slots=True)
class Watched:
    """One run. ``share``: of a core, all that the node took."""

    share: float
    updates: int
    update_bytes: int
    interference: Interference


def measure(plan: Plan) -> list[Finding]:
    watchers, seconds = (50, 3) if plan.is_quick else (WATCHERS, SECONDS)
    one, many = [], []
    with shoal_cluster((plan.cores.server,)) as server:
        for turn in range(min(plan.repetitions, 3)):
            plan.say(f"watching, run {turn + 1}")
            one.append(_run(server, 1, seconds, plan))
            many.append(_run(server, watchers, seconds, plan))
    more = Sample.of([ours.share - alone.share for ours, alone in zip(many, one, strict=True)])
    during = [run.interference for run in (*one, *many)]
    bytes_each = Sample.of([run.update_bytes / max(run.updates, 1) for run in many]).median
    return [
        Finding(
            name=NAME,
            title=f"{watchers:,} watchers of the topology, one change a second",
            unit="of a core",
            rows=(
                Row("Shoal", "one watcher", Sample.of([run.share for run in one])),
                Row("Shoal", f"{watchers:,} watchers", Sample.of([run.share for run in many])),
            ),
            figure_name=f"{watchers:,} watchers' share of a core",
            figure=more,
            goal=GOAL,
            reasons=judge(more, during, plan.core_count).reasons,
            notes=(f"an update is {bytes_each:,.0f} bytes",),
        )
    ]


def _run(server: Server, watchers: int, seconds: int, plan: Plan) -> Watched:
    with _watching(server, watchers, plan.cores.loader) as process:
        told_before = _told(process)
        own_before = cpu_seconds(process.pid)
        before, cpu_before, began = reading(), cpu_seconds(server.pid), time.monotonic()
        changes = asyncio.run(_change(server, seconds))
        took = time.monotonic() - began
        cpu = cpu_seconds(server.pid) - cpu_before
        own = cpu + cpu_seconds(process.pid) - own_before
        beside = interference(before, reading(), own)
        told = _told(process)
    updates = told["updates"] - told_before["updates"]
    # The last change may not have come to everybody yet; nobody may have missed more.
    if updates < watchers * (changes - 1):
        raise RuntimeError(
            f"{changes} changes came to {watchers} watchers as {updates} updates: "
            "some were left out"
        )
    return Watched(cpu / took, updates, told["bytes"] - told_before["bytes"], beside)


@contextmanager
def _watching(server: Server, watchers: int, core: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.watchers", server.address, str(watchers)]
    with on_cores([core]):
        starting = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with starting as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{watchers} watchers could not be set up; they said why above")
            yield process
        finally:
            process.terminate()


def _told(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    told: dict[str, int] = json.loads(process.stdout.readline())
    return told


async def _change(server: Server, seconds: int) -> int:
    """Change the topology once a second; return how often."""
    store = open_store(server.registry)
    changes = int(seconds * CHANGES_A_SECOND)
    try:
        for turn in range(changes):
            ghost = NodeRegistration(
                id=_GHOST,
                address=f"127.0.0.1:{1024 + turn}",
                zone="",
                weight=0,
                incarnation=Incarnation(f"bench-{turn}"),
                version="bench",
                metrics_url="",
            )
            put = Put(Keys("default").node(_GHOST), encode_registration(ghost))
            await store.commit([], [put])
            await asyncio.sleep(1 / CHANGES_A_SECOND)
    finally:
        await store.close()
    return changes
