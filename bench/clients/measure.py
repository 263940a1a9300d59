"""Every client on its server in turn, round by round, until there is a finding per load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.clients.libraries import GLIDE, PYMEMCACHE, REDIS, SHOAL
from bench.clients.loads import ASYNCIO, BATCH, NEAR, SEQUENTIAL, Done
from bench.finding import Finding, Goal, Row
from bench.machine import Cores, Interference, cpu_seconds, interference, on_cores, reading
from bench.noise import judge
from bench.sample import Sample
from bench.servers import Server, Start, memcached, redis, shoal_cluster, valkey

SERVERS: Mapping[str, Start] = {
    SHOAL: shoal_cluster,
    REDIS: redis,
    GLIDE: valkey,
    PYMEMCACHE: memcached,
}
"""What each library was made for."""

_TITLES: Mapping[str, str] = {
    SEQUENTIAL: "get, one after the other, blocking",
    BATCH: "get_many of 100, one after the other, blocking",
    ASYNCIO: "100 gets in flight on one event loop",
    NEAR: "get from the client's own memory",
}
_CLIENTS: Mapping[str, tuple[str, ...]] = {
    SEQUENTIAL: (SHOAL, REDIS, GLIDE, PYMEMCACHE),
    BATCH: (SHOAL, REDIS, GLIDE, PYMEMCACHE),
    ASYNCIO: (SHOAL, REDIS, GLIDE),
    NEAR: (SHOAL,),
}
NEAR_HIT_GOAL = Goal(1.5)
"""Microseconds of CPU."""


class ClientFailed(Exception):
    """A client's process ended without a figure; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a client did, and what others took of the machine meanwhile."""

    done: Done
    server_cpu_seconds: float
    interference: Interference


Round = Mapping[str, Run]


def measure(
    names: Sequence[str],
    loads: Sequence[str],
    cores: Cores,
    core_count: int,
    repetitions: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Finding]:
    """``names``: of the libraries whose servers are there. Raises ClientFailed."""
    rounds: dict[str, list[Round]] = {load: [] for load in loads}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(SERVERS[name]((cores.server,))) for name in names}
        for turn in range(repetitions):
            say(f"round {turn + 1} of {repetitions}")
            for load in loads:
                taking_part = [name for name in _CLIENTS[load] if name in servers]
                # Who goes first changes, so that a drift of the machine hurts nobody alone.
                first = turn % len(taking_part)
                order = taking_part[first:] + taking_part[:first]
                done = {
                    name: _run(name, load, servers[name], cores.loader, seconds) for name in order
                }
                rounds[load].append({name: done[name] for name in taking_part})
    return [finding(load, rounds[load], core_count) for load in loads]


def _run(name: str, load: str, server: Server, core: int, seconds: float) -> Run:
    command = [
        sys.executable, "-m", "bench.clients.one", name, load, server.address, str(seconds)
    ]  # fmt: skip
    before, server_before = reading(), cpu_seconds(server.pid)
    with on_cores([core]):
        ended = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=60 + 10 * seconds
        )
    server_cpu_seconds = cpu_seconds(server.pid) - server_before
    if ended.returncode != 0:
        raise ClientFailed(f"{name}, {load}: {ended.stderr.strip()[-2000:]}")
    done = Done(**json.loads(ended.stdout))
    # The client's start and fill are its own too, and are a part of the time looked at.
    own = server_cpu_seconds + done.cpu_seconds
    return Run(done, server_cpu_seconds, interference(before, reading(), own))


def finding(load: str, rounds: Sequence[Round], core_count: int) -> Finding:
    """What the rounds of one load say. Pure."""
    rows = tuple(_row(name, [done[name].done for done in rounds]) for name in rounds[0])
    if load == NEAR:
        figure = Sample.of([done[SHOAL].done.cpu_us_per_operation for done in rounds])
        figure_name, goal, compared = "us CPU per hit", NEAR_HIT_GOAL, [SHOAL]
    elif REDIS in rounds[0]:
        figure = Sample.of(
            [
                done[SHOAL].done.cpu_us_per_operation / done[REDIS].done.cpu_us_per_operation
                for done in rounds
            ]
        )
        figure_name, goal, compared = f"{SHOAL} / {REDIS}", None, [SHOAL, REDIS]
    else:
        return Finding(load, _TITLES[load], "us CPU per key", rows)
    during = [done[name].interference for done in rounds for name in compared]
    return Finding(
        name=load,
        title=_TITLES[load],
        unit="us CPU per key",
        rows=rows,
        figure_name=figure_name,
        figure=figure,
        goal=goal,
        reasons=judge(figure, during, core_count).reasons,
        notes=("CPU is the client's own process, its threads and its interpreter's included",),
    )


def _row(name: str, runs: Sequence[Done]) -> Row:
    return Row(
        server=name,
        did="",
        value=Sample.of([run.cpu_us_per_operation for run in runs]),
        details={
            "per_second": Sample.of([run.per_second for run in runs]).median,
            "loader_share": Sample.of([run.cpu_seconds / run.seconds for run in runs]).median,
        },
    )
