"""Simulated clusters, run before the real ones: many seeds from a first one.

They come before, not beside: real processes under load must have the machine alone, or
their leases run out for want of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.setup.places import REPOSITORY

_SUPPORT = REPOSITORY / "tests" / "support"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of the seeds ``first`` up to ``first + seeds``."""

    first: int
    seeds: int
    """That were run: fewer than were asked for where some broke something."""
    steps: int
    seconds: float
    broken: dict[int, list[str]]
    """By seed, what was found."""

    @property
    def is_good(self) -> bool:
        return not self.broken


def simulate(first: int, seeds: int, out: Path, cores: int | None = None) -> Simulated:
    """Run them on all cores, or on so many. Raises where it ends without a result in ``out``."""
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "simulation", "--seeds", str(seeds), "--first", str(first)]
    command += ["--cores", str(cores or os.cpu_count() or 1), "--json", str(out.resolve())]
    ran = subprocess.run(command, cwd=_SUPPORT, check=False)
    if not out.exists():
        raise RuntimeError(f"the simulation ended with {ran.returncode} and told nothing")
    told = json.loads(out.read_text())
    broken = {int(seed): found for seed, found in told["broken"].items()}
    return Simulated(first, told["seeds"], told["steps"], told["wall_seconds"], broken)
