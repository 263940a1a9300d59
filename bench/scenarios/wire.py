"""The loads that all servers run in turn: CPU per operation, throughput, latency.

In each round every scenario runs on every server before the next scenario begins, so that
those that are divided by each other ran within seconds. The order of the servers turns
from round to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.comparison import OURS, Round, compare
from bench.finding import Finding, Goal
from bench.loader_process import Load, run
from bench.measured import Measured
from bench.scenarios.plan import Plan
from bench.servers import Server

KEYS = 100_000
FILL_BATCH = 16


@dataclass(frozen=True, slots=True)
class Wire:
    """``theirs``: what the peers do meanwhile, which need not be the same shape."""

    name: str
    title: str
    ours: Load
    theirs: Load
    goal: Goal | None = None

    def load(self, server: str) -> Load:
        return self.ours if server == OURS else self.theirs


_ALONE = Load(connections=50, streams=1)
_MANY = Load(shape="many", batch=100)
_BATCH = Load(shape="batch", batch=16)

WIRES = (
    Wire(
        "get-50x1",
        "Get, one at a time on 50 connections; GET likewise",
        _ALONE,
        _ALONE,
        Goal(1.5),
    ),
    Wire(
        "get-4x32",
        "Get, 32 streams on 4 connections; GET one at a time on 50",
        Load(),
        _ALONE,
        Goal(0.6),
    ),
    Wire(
        "get-4x32-pipelined",
        "Get, 32 streams on 4 connections; GET pipelined as deep",
        Load(),
        Load(),
    ),
    Wire(
        "set-4x32",
        "Set, 32 streams on 4 connections; SET one at a time on 50",
        Load(operation="set"),
        replace(_ALONE, operation="set"),
        Goal(0.8),
    ),
    Wire(
        "execute-16",
        "Execute, batches of 16 on 4 connections, 8 in flight; GET pipelined by 16 on 50",
        replace(_BATCH, streams=8),
        replace(_BATCH, connections=50, streams=1),
        Goal(1.0),
    ),
    Wire(
        "execute-16-lockstep",
        "Execute, batches of 16 on 4 connections, one in flight; GET pipelined by 16 on 4",
        replace(_BATCH, streams=1),
        replace(_BATCH, streams=1),
        Goal(1.0),
    ),
    Wire(
        "mget",
        "MGet of 100 keys, 4 streams on 4 connections; MGET of 100 on 16",
        replace(_MANY, streams=4),
        replace(_MANY, connections=16, streams=1),
        Goal(1.0),
    ),
)


def measure(plan: Plan, wires: Sequence[Wire]) -> list[Finding]:
    """Start every server, fill it, and run the rounds."""
    if not wires:
        return []
    keys = 2_000 if plan.is_quick else KEYS
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(start((plan.cores.server,)))
            for name, start in plan.servers.items()
        }
        for server in servers.values():
            run(server, fill(keys))
        rounds: dict[str, list[Round]] = {wire.name: [] for wire in wires}
        for turn in range(plan.repetitions):
            plan.say(f"round {turn + 1} of {plan.repetitions}")
            for wire in wires:
                rounds[wire.name].append(_round(plan, wire, servers, keys, turn))
    return [
        compare(
            wire.name,
            wire.title,
            rounds[wire.name],
            {name: wire.load(name).text for name in servers},
            wire.goal,
            plan.core_count,
        )
        for wire in wires
    ]


def fill(keys: int) -> Load:
    """Every key once, in pipelines."""
    return Load(
        operation="set", shape="batch", batch=FILL_BATCH, streams=1, keys=keys, is_fill=True
    )


def _round(
    plan: Plan, wire: Wire, servers: dict[str, Server], keys: int, turn: int
) -> dict[str, Measured]:
    names = list(servers)
    start = turn % len(names)
    done = {}
    for name in names[start:] + names[:start]:
        load = replace(
            wire.load(name),
            keys=keys,
            seconds=plan.seconds,
            # Below this a server's idle work would show in the quotient.
            operations_min=0 if plan.is_quick else 50_000,
            seed=turn + 1,
        )
        done[name] = run(servers[name], load)
    return {name: done[name] for name in names}
