"""What a copy costs the primary: CPU per Set of a data plane that is followed and of one that
is not.

Both serve the same load in turn, each alone on the server's core; the follower stands on the
loader's. A write is answered by the primary alone, as is the default of ``Set``, and the
follower must have everything a moment after the last: one that fell behind costs less.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.comparison import Round, compare
from bench.finding import Finding, Goal
from bench.loader_process import Load, run
from bench.measured import Measured
from bench.scenarios.plan import Plan
from bench.scenarios.wire import KEYS, fill
from bench.servers import Server, shoal_plane

NAME = "replication"
ALONE = "Shoal alone"
FOLLOWED = "Shoal followed"
GOAL = Goal(1.5)
PACED_RATE = 10_000
_CATCH_UP_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Writes:
    """One load of writes, by the name of its finding."""

    name: str
    title: str
    load: Load


WRITES = (
    Writes(
        "replicated-set-4x32",
        "Set, 32 streams on 4 connections: a plane that is followed beside one that is not",
        Load(operation="set"),
    ),
    Writes(
        "replicated-set-50x1",
        "Set, one at a time on 50 connections: a plane that is followed beside one that is not",
        Load(operation="set", connections=50, streams=1),
    ),
    Writes(
        "replicated-set-paced",
        f"Set, {PACED_RATE:,} a second: a plane that is followed beside one that is not",
        Load(operation="set", rate=PACED_RATE, slice_ms=1000),
    ),
)


def measure(plan: Plan) -> list[Finding]:
    """Interleaved like the loads of the wire."""
    keys = 2_000 if plan.is_quick else KEYS
    cores = (plan.cores.server,)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(shoal_plane(cores)) for name in (FOLLOWED, ALONE)}
        follower = stack.enter_context(
            shoal_plane((plan.cores.loader,), followed=servers[FOLLOWED].address)
        )
        for server in servers.values():
            run(server, fill(keys))
        await_copies(servers[FOLLOWED], follower)
        rounds: dict[str, list[Round]] = {each.name: [] for each in WRITES}
        for turn in range(plan.repetitions):
            plan.say(f"replication, round {turn + 1} of {plan.repetitions}")
            for each in WRITES:
                rounds[each.name].append(_round(plan, each, servers, keys, turn))
                await_copies(servers[FOLLOWED], follower)
    return [
        compare(
            each.name,
            each.title,
            rounds[each.name],
            dict.fromkeys(servers, each.load.text),
            GOAL,
            plan.core_count,
            pair=(FOLLOWED, ALONE),
        )
        for each in WRITES
    ]


def _round(
    plan: Plan, writes: Writes, servers: dict[str, Server], keys: int, turn: int
) -> dict[str, Measured]:
    names = list(servers) if turn % 2 == 0 else list(servers)[::-1]
    is_paced = writes.load.rate > 0
    load = replace(
        writes.load,
        keys=keys,
        seconds=max(plan.seconds, 3.0) if is_paced and not plan.is_quick else plan.seconds,
        operations_min=0 if plan.is_quick or is_paced else 50_000,
        seed=turn + 1,
    )
    done = {name: run(servers[name], load) for name in names}
    return {name: done[name] for name in servers}


def await_copies(primary: Server, follower: Server) -> None:
    """Until the follower has applied what its primary has; raises where it never does."""
    give_up = time.monotonic() + _CATCH_UP_SECONDS_MAX
    while True:
        applied, wanted = follower.counts().applied, primary.counts().applied
        if applied == wanted:
            return
        if time.monotonic() > give_up:
            raise RuntimeError(
                f"the follower has applied {applied:,} of {wanted:,} operations "
                f"{_CATCH_UP_SECONDS_MAX:.0f} s after the last: what it costs cannot be told"
            )
        time.sleep(0.05)
