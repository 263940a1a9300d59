"""``make bench-client``: Shoal's client beside redis-py, valkey-glide and pymemcache."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from bench import binaries, table
from bench.clients.libraries import SHOAL, library
from bench.clients.loads import LOADS
from bench.clients.measure import SERVERS, ClientFailed, measure
from bench.machine import cores, description
from bench.results import Results
from bench.servers import MissingPeer


def main(words: list[str] | None = None) -> None:
    arguments = _parser().parse_args(words)
    loads = arguments.only.split(",") if arguments.only else list(LOADS)
    if unknown := [load for load in loads if load not in LOADS]:
        sys.exit(f"bench: there is no load {unknown[0]}: take some of {', '.join(LOADS)}")
    console = Console(width=160, soft_wrap=True)
    if not arguments.no_build:
        binaries.build()
    versions, skipped = _look_for()
    for sentence in skipped:
        console.print(f"bench: skipped: {sentence}", style="dim")
    started = time.monotonic()
    repetitions = arguments.repetitions or (1 if arguments.quick else 5)
    try:
        findings = measure(
            list(versions),
            loads,
            cores(),
            len(os.sched_getaffinity(0)),
            repetitions,
            arguments.seconds or (0.2 if arguments.quick else 2.0),
            say=lambda sentence: console.print(f"bench: {sentence}", style="dim"),
        )
    except (ClientFailed, RuntimeError) as failed:
        sys.exit(f"bench: {failed}")
    results = Results(
        machine=description(),
        servers=versions,
        skipped=tuple(skipped),
        repetitions=repetitions,
        seconds=time.monotonic() - started,
        findings=tuple(findings),
    )
    results.write(arguments.json)
    table.show(results, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__)
    parser.add_argument(
        "--only", metavar="LOAD[,LOAD]", default="", help=f"some of: {', '.join(LOADS)}"
    )
    parser.add_argument("--repetitions", type=int, help="5 if left out, 1 with --quick")
    parser.add_argument("--seconds", type=float, help="of one run; 2 if left out")
    parser.add_argument("--json", type=Path, default=Path("bench-client.json"))
    parser.add_argument("--quick", action="store_true", help="small numbers: does it run?")
    parser.add_argument("--no-build", action="store_true", help="the programs are built already")
    return parser


def _look_for() -> tuple[dict[str, str], list[str]]:
    """The versions of what can run, of client and server, and a sentence for each that cannot."""
    versions, skipped = {}, []
    core = cores().server
    for name, start in SERVERS.items():
        try:
            client = library(name).version
            with start((core,)) as server:
                versions[name] = f"{client} on {server.name} {server.version}"
        except ImportError as missing:
            skipped.append(f"{name}: {missing}; pip install -r requirements-bench.txt")
        except MissingPeer as missing:
            skipped.append(f"{name}: {missing}")
    if SHOAL not in versions:
        sys.exit("bench: there is no Shoal to measure: " + "; ".join(skipped))
    return versions, skipped


if __name__ == "__main__":
    main()
