"""``make bench``: run every scenario on every server in turn, and print what came of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from bench import binaries, catalogue, table
from bench.machine import cores, description
from bench.results import Results
from bench.scenarios.plan import Plan
from bench.servers import MissingPeer, Start, memcached, redis, shoal_cluster, shoal_plane, valkey

PEERS: dict[str, Start] = {"Redis": redis, "Valkey": valkey, "memcached": memcached}
SHOALS: dict[str, Start] = {"cluster": shoal_cluster, "plane": shoal_plane}


def main(words: list[str] | None = None) -> None:
    arguments = _parser().parse_args(words)
    names = catalogue.selected(arguments.only)
    if isinstance(names, str):
        sys.exit(f"bench: {names}")
    console = Console(width=160, soft_wrap=True)
    if not arguments.no_build:
        binaries.build()
    started = time.monotonic()
    versions, skipped = _look_for(PEERS)
    plan = Plan(
        cores=cores(),
        core_count=len(os.sched_getaffinity(0)),
        shoal=SHOALS[arguments.shoal],
        peers={name: PEERS[name] for name in versions},
        repetitions=arguments.repetitions or (1 if arguments.quick else 5),
        seconds=arguments.seconds or (0.2 if arguments.quick else 1.5),
        is_quick=arguments.quick,
        say=lambda sentence: console.print(f"bench: {sentence}", style="dim"),
    )
    for sentence in skipped:
        plan.say(f"skipped: {sentence}")
    findings, failed = catalogue.run(plan, names)
    results = Results(
        machine=description(),
        servers={"Shoal": arguments.shoal, **versions},
        skipped=tuple(skipped),
        failed=tuple(failed),
        repetitions=plan.repetitions,
        seconds=time.monotonic() - started,
        findings=tuple(findings),
    )
    results.write(arguments.json)
    if arguments.chart is not None:
        from bench import chart

        chart.draw(results, arguments.chart)
    table.show(results, console)
    if failed:
        sys.exit(f"bench: not measured: {len(failed)} of the scenarios; see above")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="NAME[,NAME]",
        default="",
        help=f"some of: {', '.join(catalogue.NAMES)}",
    )
    parser.add_argument("--repetitions", type=int, help="5 if left out, 1 with --quick")
    parser.add_argument("--seconds", type=float, help="of one run; 1.5 if left out")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--chart", type=Path, help="write a picture here: .svg or .png")
    parser.add_argument(
        "--shoal",
        choices=SHOALS,
        default="cluster",
        help="a cluster of one node as `shoal up` starts it, or its data plane alone",
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: does it run?")
    parser.add_argument("--no-build", action="store_true", help="the programs are built already")
    return parser


def _look_for(peers: dict[str, Start]) -> tuple[dict[str, str], list[str]]:
    """The versions of those that start, and a sentence for each that is not installed."""
    versions, skipped = {}, []
    core = cores().server
    for name, start in peers.items():
        try:
            with start((core,)) as server:
                versions[name] = server.version
        except MissingPeer as missing:
            skipped.append(str(missing))
    return versions, skipped


if __name__ == "__main__":
    main()
