"""The longest that a partition of 5,000,000 entries is held at once, as it grows and after.

Measured in the engine by `bench/pauses`, on the CPU clock of the thread: over the wire a
pause of a millisecond drowns in what the machine does. All entries are in one partition.

That clock runs on while the machine does something else with the core: an interrupt, or a
page that the hypervisor has to find first. So everything is run again in new processes. The
engine does the same work at the same operation each time, page faults of fresh memory
included; the machine does not come back to the same operation of millions. What two runs
took at the same operation, both of them, is the engine's.
"""

from __future__ import annotations

import re
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.binaries import binary
from bench.finding import Finding, Goal, Row
from bench.machine import interference, reading
from bench.noise import judge
from bench.sample import Sample
from bench.scenarios.plan import Plan

NAME = "growth"
ENTRIES = 5_000_000
LISTED = 1000
"""Holds that a run names of each phase, the longest ones."""
RUNS = 3
GOAL = Goal(1000)


@dataclass(frozen=True, slots=True)
class Phase:
    """``longest_us``: by operation, the longest hold of each of those that held longest.
    ``operation_us``: the longest operation, all its holds together.
    """

    longest_us: dict[int, float]
    operation_us: float

    @property
    def worst_us(self) -> float:
        return max(self.longest_us.values())

    def at_most_us(self, operation: int) -> float:
        """What is not among the longest took no longer than the shortest of these."""
        return self.longest_us.get(operation, min(self.longest_us.values()))


@dataclass(frozen=True, slots=True)
class Pauses:
    """Of one run. The work under one lock is counted, the same anywhere."""

    phases: dict[str, Phase]
    entries_most: int
    bytes_most: int


def measure(plan: Plan) -> list[Finding]:
    """The figure is the longest hold of any phase that came again, of each two runs."""
    entries = 20_000 if plan.is_quick else ENTRIES
    runs, beside = [], []
    for turn in range(RUNS):
        plan.say(f"growth, run {turn + 1}")
        before, own_before = reading(), _ended_cpu_seconds()
        runs.append(parse(_run(entries)))
        beside.append(interference(before, reading(), _ended_cpu_seconds() - own_before))
    names = list(runs[0].phases)
    again = {
        name: Sample.of(
            [again_us([one.phases[name], two.phases[name]]) for one, two in combinations(runs, 2)]
        )
        for name in names
    }
    figure = Sample.of(
        [
            max(again_us([one.phases[name], two.phases[name]]) for name in names)
            for one, two in combinations(runs, 2)
        ]
    )
    return [
        Finding(
            name=NAME,
            title=f"the longest hold of one partition of {entries:,} entries, by CPU time",
            unit="us",
            rows=tuple(
                Row(
                    "Shoal",
                    name,
                    again[name],
                    {
                        "once": max(run.phases[name].worst_us for run in runs),
                        "operation": max(run.phases[name].operation_us for run in runs),
                    },
                )
                for name in names
            ),
            figure_name="Shoal, longest us",
            figure=figure,
            goal=GOAL,
            reasons=judge(figure, beside, plan.core_count).reasons,
            notes=(
                f"most work under one hold of the lock, counted: {runs[0].entries_most:,} "
                f"entries touched, {runs[0].bytes_most:,} bytes passed over",
                "a hold counts as long as two runs had it at the same operation; once: the "
                "longest that any run had, the machine's in it; operation: all holds of one",
            ),
            # Noise lengthens what is held and shortens nothing: what is met is met.
            needs_quiet=not GOAL.holds(figure.high),
        )
    ]


def again_us(runs: Sequence[Phase]) -> float:
    """The longest hold that all of these runs had at the same operation, at most. Pure."""
    operations = set().union(*(run.longest_us for run in runs))
    return max(min(run.at_most_us(operation) for run in runs) for operation in operations)


def parse(printed: str) -> Pauses:
    """What the program prints. Pure."""
    found = re.findall(
        r"^(\S.*?): \d+ operations.*\n"
        r"\s+hold, us .*\n"
        r"\s+longest holds: (.+)\n"
        r"\s+operation, us .* worst ([\d.]+)\n"
        r"\s+most under one hold so far: (\d+) entries, (\d+) bytes$",
        printed,
        re.MULTILINE,
    )
    if not found:
        raise ValueError(f"the program says nothing of its pauses: {printed[:500]!r}")
    phases = {name: Phase(_holds(longest), float(worst)) for name, longest, worst, *_ in found}
    # Counted from the start of each engine; the later one began anew.
    return Pauses(
        phases,
        entries_most=max(int(entries) for *_, entries, _ in found),
        bytes_most=max(int(passed) for *_, passed in found),
    )


def _holds(listed: str) -> dict[int, float]:
    named = re.findall(r"(\d+)=([\d.]+)us", listed)
    return {int(operation): float(us) for operation, us in named}


def _ended_cpu_seconds() -> float:
    """User and system time of the processes that were started here and have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _run(entries: int) -> str:
    done = subprocess.run(
        [str(binary("shoal-pauses")), str(entries), "1", str(LISTED)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"bench/pauses failed: {done.stderr.strip()}")
    return done.stdout
