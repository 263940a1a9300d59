"""One load through all caches, at every size."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.hitratio import replayer, simulator
from bench.hitratio.judgement import Cell, EqualEntries, Reference
from bench.hitratio.replayer import Outcome
from bench.hitratio.workloads import Workload
from bench.machine import cores
from bench.servers.shoal import shoal_plane

PERCENTS = (1, 5, 10, 20)


def run(load: Workload, redis_socket: Path) -> list[Cell]:
    """The footprint is what Redis needs for every key of the load, once."""
    with TemporaryDirectory() as folder:
        trace, fill = Path(folder) / "trace", Path(folder) / "fill"
        load.write(trace)
        load.first_of_each().write(fill)
        (full,) = replayer.redis(fill, redis_socket, [0])
        budgets = [full.used_bytes * percent // 100 for percent in PERCENTS]
        redis = replayer.redis(trace, redis_socket, budgets)
        policies = simulator.POLICIES if load.is_unit else ("s3fifo",)
        ours = {policy: replayer.engine(trace, policy, budgets) for policy in policies}
        # As many entries as Redis held: the budget is scaled by what it was off by.
        scaled = [
            budget * theirs.entries // max(shoal.entries, 1)
            for budget, theirs, shoal in zip(budgets, redis, ours["s3fifo"], strict=True)
        ]
        equal = replayer.engine(trace, "s3fifo", scaled)
    return [
        Cell(
            load=load.name,
            percent=percent,
            budget_bytes=budgets[at],
            redis_entries=redis[at].entries,
            redis=redis[at].miss_ratio,
            shoal_entries=ours["s3fifo"][at].entries,
            shoal=ours["s3fifo"][at].miss_ratio,
            references=_references(load, {name: each[at] for name, each in ours.items()}),
            equal_entries=_equal_entries(load, redis[at], equal[at]),
        )
        for at, percent in enumerate(PERCENTS)
    ]


def over_the_wire(load: Workload, redis_socket: Path) -> tuple[Outcome, Outcome]:
    """The engine by itself, and a data plane asked over gRPC, with the same memory: a tenth of
    the footprint."""
    with TemporaryDirectory() as folder:
        trace, fill = Path(folder) / "trace", Path(folder) / "fill"
        load.write(trace)
        load.first_of_each().write(fill)
        (full,) = replayer.redis(fill, redis_socket, [0])
        (alone,) = replayer.engine(trace, "s3fifo", [full.used_bytes // 10])
        budget_bytes = alone.base_bytes + full.used_bytes // 10
        with shoal_plane((cores().server,), maxmemory_bytes=budget_bytes) as plane:
            return alone, replayer.node(trace, plane.address)


def _references(load: Workload, ours: dict[str, Outcome]) -> tuple[Reference, ...]:
    if not load.is_unit:
        return ()
    return tuple(
        Reference(
            policy=policy,
            entries=outcome.entries,
            miss_ratio=outcome.miss_ratio,
            simulated=simulator.miss_ratio(policy, load.keys, outcome.entries),
        )
        for policy, outcome in ours.items()
    )


def _equal_entries(load: Workload, redis: Outcome, shoal: Outcome) -> EqualEntries | None:
    if not load.is_unit:
        return None
    return EqualEntries(
        shoal=shoal.miss_ratio,
        exact_lru=simulator.miss_ratio("lru", load.keys, redis.entries),
        s3fifo=simulator.miss_ratio("s3fifo", load.keys, redis.entries),
    )
