"""One seed again: ``cd tests/support && python -m simulation SEED [MUTANT]``; or many,
``python -m simulation --seeds 10000 --cores 2 [--first N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from simulation.cluster import simulate
from simulation.mutants import Mutant
from simulation.seeds import TELLING, quiet, run_seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("mutant", nargs="?", default="NONE", choices=[it.name for it in Mutant])
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write what became of many seeds there")
    asked = parser.parse_args()
    if asked.seed is None:
        ran = run_seeds(asked.first, asked.seeds, asked.cores)
        print(ran)
        if asked.json is not None:
            asked.json.write_text(json.dumps(ran.as_json(), indent=1) + "\n")
        return 1 if ran.broken else 0
    mutant = Mutant[asked.mutant]
    telling = TELLING[mutant]
    with quiet():
        run = simulate(asked.seed, mutant, telling.harms, telling.unclean)
    print(f"{run.steps} steps, {run.seconds:.1f} s of virtual time, {run.counts}")
    for what in run.broken:
        print(what)
    return 1 if run.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
