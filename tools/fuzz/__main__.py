"""Fuzz every target: `python3 -m tools.fuzz --seconds 60`.

What is found goes to fuzz/found; each finding is told with the command that runs that
one input again. Runs on the system's Python with nothing installed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.fuzz.build import build
from tools.fuzz.campaign import Campaign, Outcome, targets
from tools.setup.console import MissingTool, say
from tools.setup.places import cache


def main() -> None:
    known = targets()
    asked = argparse.ArgumentParser(prog="tools.fuzz", description=__doc__)
    asked.add_argument("--seconds", type=int, default=60, help="for each target")
    asked.add_argument("--target", action="append", choices=known, help="one of them; repeatable")
    asked.add_argument("--together", type=int, default=2, help="targets at a time")
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    asked.add_argument(
        "--keep",
        action="store_true",
        help="go on from the inputs of earlier runs, and keep new ones",
    )
    arguments = asked.parse_args()
    try:
        program = build()
    except MissingTool as missing:
        sys.exit(f"shoal fuzz: {missing}")
    with TemporaryDirectory(prefix="shoal-fuzz-") as temporary:
        corpora = cache() / "fuzz" if arguments.keep else Path(temporary)
        campaign = Campaign(program, arguments.seconds, arguments.seed, corpora)
        chosen = arguments.target or known
        say(f"fuzzing {len(chosen)} targets, {arguments.seconds} s each, seed {arguments.seed}")
        with ThreadPoolExecutor(max_workers=arguments.together) as threads:
            outcomes = list(threads.map(told(campaign), chosen))
    if not all(outcome.is_clean for outcome in outcomes):
        sys.exit(1)


def told(campaign: Campaign) -> Callable[[str], Outcome]:
    def run(target: str) -> Outcome:
        outcome = campaign.run(target)
        print(outcome.sentence(), file=sys.stderr, flush=True)
        return outcome

    return run


if __name__ == "__main__":
    os.nice(5)
    main()
