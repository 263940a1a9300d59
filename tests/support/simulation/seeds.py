"""Many seeds, on some cores; and how long it takes until one misses a rule."""

from __future__ import annotations

import gc
import itertools
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from shoal_coordinator.registry.records import Unclean
from simulation.cluster import STEPS, simulate
from simulation.mutants import Mutant

_CHUNK_SEEDS = 25
_BROKEN_MAX = 5
_COLLECTED_TOGETHER = 5
"""After so many seeds what they left is looked through for cycles."""


@dataclass(slots=True)
class Ran:
    """What became of some seeds."""

    seeds: int = 0
    steps: int = 0
    wall_seconds: float = 0.0
    virtual_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    broken: dict[int, list[str]] = field(default_factory=dict)

    def add(self, other: Ran) -> None:
        self.seeds += other.seeds
        self.steps += other.steps
        self.virtual_seconds += other.virtual_seconds
        self.counts.update(other.counts)
        self.broken.update(other.broken)

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds,
            "steps": self.steps,
            "wall_seconds": self.wall_seconds,
            "virtual_seconds": self.virtual_seconds,
            "counts": dict(self.counts),
            "broken": self.broken,
        }

    def __str__(self) -> str:
        rate = self.steps / self.wall_seconds if self.wall_seconds else 0.0
        lines = [
            f"{self.seeds} seeds, {self.steps:,} steps in {self.wall_seconds:.1f} s "
            f"({rate:,.0f} steps a second), {self.virtual_seconds:,.0f} s of virtual time",
            ", ".join(f"{kind} {number:,}" for kind, number in sorted(self.counts.items())),
        ]
        for seed, what in self.broken.items():
            lines.append(f"SEED {seed}: {what[0]}")
            lines.append(f"  again: cd tests/support && python -m simulation {seed}")
        return "\n".join(lines)


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing: there are thousands of everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.reset_defaults()


@contextmanager
def collected_between() -> Iterator[Callable[[], None]]:
    """Look for cycles between seeds alone; what comes back is to be called after each.

    A whole cluster is one cycle, and while it runs there are next to none. What was there
    before is not looked through.
    """
    count = itertools.count(1)

    def ran_one() -> None:
        if next(count) % _COLLECTED_TOGETHER == 0:
            gc.collect(0)

    gc.freeze()
    gc.disable()
    try:
        yield ran_one
    finally:
        gc.collect(0)
        gc.enable()
        gc.unfreeze()


def run_seeds(first: int, seeds: int, cores: int = 1) -> Ran:
    """Run them, and stop soon after some have broken something."""
    began = time.monotonic()
    end = first + seeds
    chunks = [(at, min(at + _CHUNK_SEEDS, end)) for at in range(first, end, _CHUNK_SEEDS)]
    total = Ran()
    if cores > 1:
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            _gather(total, pool.imap_unordered(_run_chunk, chunks))
    else:
        _gather(total, map(_run_chunk, chunks))
    total.wall_seconds = time.monotonic() - began
    return total


def _gather(total: Ran, parts: Iterable[Ran]) -> None:
    for part in parts:
        total.add(part)
        if len(total.broken) >= _BROKEN_MAX:
            return


def _run_chunk(chunk: tuple[int, int]) -> Ran:
    ran = Ran()
    with quiet(), collected_between() as ran_one:
        for seed in range(*chunk):
            run = simulate(seed)
            ran_one()
            ran.add(Ran(1, run.steps, 0.0, run.seconds, Counter(run.counts)))
            if run.broken:
                ran.broken[seed] = run.broken
    return ran


@dataclass(frozen=True, slots=True)
class Telling:
    """What a mutant is looked for with: what brings it out most."""

    harms: dict[str, int] | None = None
    """None: what the seed says."""
    seeds_max: int = 300
    unclean: Unclean | None = None


_KEEPERS = Telling({"keeper in a call": 4, "slow etcd": 3, "cut from etcd": 2})
_SLOW_ETCD = Telling({"keeper": 3, "slow etcd": 3, "lossy": 1, "etcd stalled": 1})
_PAUSED = Telling({"pause": 4, "slow copies": 3, "move": 3})
_SLOW_MOVES = Telling({"move": 6, "etcd stalled": 2, "slow etcd": 2, "lossy": 2}, 600)

TELLING: dict[Mutant, Telling] = {
    **dict.fromkeys(Mutant, Telling()),
    Mutant.DEADLINE_FROM_ANSWER: _KEEPERS,
    Mutant.NO_CHECK_AT_ANSWER: _PAUSED,
    Mutant.OLD_KEY_NOT_COMPARED: _SLOW_ETCD,
    Mutant.THAWED_BLINDLY: _SLOW_MOVES,
    Mutant.OUTSIDERS_TAKE_OVER: Telling(unclean=Unclean.KEEP),
    Mutant.CLEARED_TOO_SOON: Telling(unclean=Unclean.CLEAR),
    Mutant.SILENCE_NOT_CONFIRMED: Telling({"deaf": 1}),
    Mutant.ABSENCE_COUNTED_BEFORE_RETURN: Telling({"etcd away": 1, "crash": 1}),
}


@dataclass(frozen=True, slots=True)
class Caught:
    """The first seed that misses a rule, and how."""

    seed: int
    how: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.how}"


def caught(mutant: Mutant, steps: int = STEPS) -> Caught | None:
    """Take the rule away, and look for a seed that notices."""
    telling = TELLING[mutant]
    with quiet(), collected_between() as ran_one:
        for seed in range(telling.seeds_max):
            run = simulate(seed, mutant, telling.harms, telling.unclean, steps)
            ran_one()
            if run.broken:
                return Caught(seed, run.broken[0])
    return None
