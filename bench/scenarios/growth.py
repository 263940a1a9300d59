"""The longest that one operation holds a partition of 5,000,000 entries, as it grows and after.

Measured in the engine by its example ``pauses``, on the CPU clock of the thread: over the wire
a pause of a millisecond drowns in what the machine does. All entries are in one partition.
"""

from __future__ import annotations

import re
import resource
import subprocess
from dataclasses import dataclass

from bench.binaries import example
from bench.finding import Finding, Goal, Row
from bench.machine import interference, reading
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan

NAME = "growth"
ENTRIES = 5_000_000
GOAL = Goal(1000)


@dataclass(frozen=True, slots=True)
class Pauses:
    """``worst_us``: of each phase. The work under one lock is counted, the same anywhere."""

    worst_us: dict[str, float]
    entries_most: int
    bytes_most: int


def measure(plan: Plan) -> list[Finding]:
    """The figure is the longest operation of any phase."""
    entries = 20_000 if plan.is_quick else ENTRIES
    runs, beside = [], []
    for turn in range(min(plan.repetitions, 3)):
        plan.say(f"growth, run {turn + 1}")
        before, own_before = reading(), _ended_cpu_seconds()
        runs.append(parse(_run(entries)))
        beside.append(interference(before, reading(), _ended_cpu_seconds() - own_before))
    figure = Sample.of([max(run.worst_us.values()) for run in runs])
    return [
        Finding(
            name=NAME,
            title=f"the longest operation on one partition of {entries:,} entries, by CPU time",
            unit="us",
            rows=tuple(
                Row("Shoal", phase, Sample.of([run.worst_us[phase] for run in runs]))
                for phase in runs[0].worst_us
            ),
            figure_name="Shoal, longest us",
            figure=figure,
            goal=GOAL,
            reasons=judge(figure, beside, plan.core_count).reasons,
            notes=(
                f"most work under one hold of the lock, counted: {runs[0].entries_most:,} "
                f"entries touched, {runs[0].bytes_most:,} bytes passed over",
                "page faults are in the CPU time, and so is what a shared core is used for else",
            ),
            needs_quiet=True,
        )
    ]


def parse(printed: str) -> Pauses:
    """What the example prints. Pure."""
    worst_us = {
        name: float(worst)
        for name, worst in re.findall(
            r"^(\S.*?): \d+ operations.*\n\s+CPU, us\s.*worst ([\d.]+)$", printed, re.MULTILINE
        )
    }
    work = re.findall(r"most under one hold so far: (\d+) entries, (\d+) bytes", printed)
    if not worst_us or not work:
        raise ValueError(f"the engine's example says nothing of its pauses: {printed[:500]!r}")
    # Counted from the start of each engine; the later one began anew.
    return Pauses(
        worst_us,
        entries_most=max(int(entries) for entries, _ in work),
        bytes_most=max(int(passed) for _, passed in work),
    )


def _ended_cpu_seconds() -> float:
    """User and system time of the processes that were started here and have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _run(entries: int) -> str:
    done = subprocess.run(
        [str(example("pauses")), str(entries)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the engine's example failed: {done.stderr.strip()}")
    return done.stdout
