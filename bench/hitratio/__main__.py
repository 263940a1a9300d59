"""``make bench-hitratio``: miss ratios beside a real Redis and beside libCacheSim."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.binaries import REPOSITORY
from bench.hitratio import picture, replayer
from bench.hitratio.judgement import Cell, Verdict, verdicts
from bench.hitratio.redis_server import redis_server
from bench.hitratio.run import over_the_wire, run
from bench.hitratio.workloads import WORKLOADS, MissingTrace
from bench.servers.server import MissingPeer

# What is replayed over gRPC too, to see that the engine by itself tells the truth.
_WIRE_LOAD = "web07"
_TRACES = REPOSITORY.parent / "shared" / "traces"


def main() -> None:
    arguments = _arguments()
    if not arguments.no_build:
        replayer.build()
    console = Console(width=150)
    cells: list[Cell] = []
    try:
        loads = [WORKLOADS[name](arguments.traces) for name in arguments.only]
        with redis_server() as socket:
            for load in loads:
                console.print(f"{load.name}: {len(load.keys):,} requests, {load.distinct:,} keys")
                cells += run(load, socket)
            alone, plane = over_the_wire(WORKLOADS[_WIRE_LOAD](arguments.traces), socket)
    except (MissingPeer, MissingTrace) as missing:
        sys.exit(f"bench.hitratio: {missing}")
    judged = verdicts(cells)
    console.print(_cells_table(cells), _verdicts_table(judged))
    console.print(
        f"{_WIRE_LOAD}, 10 %: {alone.miss_ratio:.4f} by the engine alone, "
        f"{plane.miss_ratio:.4f} by a node's data plane over gRPC"
    )
    if arguments.json is not None:
        found = {
            "partitions": replayer.PARTITIONS,
            "cells": [asdict(cell) | {"ratio": cell.ratio} for cell in cells],
            "over_the_wire": {"engine": alone.miss_ratio, "plane": plane.miss_ratio},
            "verdicts": [asdict(each) | {"holds": each.holds} for each in judged],
        }
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.picture is not None:
        picture.draw(cells, arguments.picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.hitratio", description=__doc__)
    parser.add_argument(
        "--traces",
        type=Path,
        default=Path(os.environ.get("SHOAL_TRACES", _TRACES)),
        help="the folder of the two traces (or SHOAL_TRACES)",
    )
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(WORKLOADS), metavar="LOAD,LOAD"
    )
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--picture", type=Path, default=None, help="SVG or PNG, by its name")
    parser.add_argument("--no-build", action="store_true", help="the replayer is built already")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.only if name not in WORKLOADS]:
        parser.error(f"{unknown[0]!r} is none of: {', '.join(WORKLOADS)}")
    return arguments


def _cells_table(cells: list[Cell]) -> Table:
    drawn = Table(title="Miss ratios at the same memory, and at as many entries as Redis held")
    drawn.add_column("load", no_wrap=True)
    for heading in (
        "size",
        "Redis entries",
        "Redis",
        "Shoal entries",
        "Shoal",
        "ratio",
        "exact LRU",
        "Shoal, equal",
        "s3fifo/sim",
        "lru/sim",
        "lfu/sim",
    ):
        drawn.add_column(heading, justify="right")
    for cell in cells:
        equal = cell.equal_entries
        ratios = [f"{ours.ratio:.3f}" for ours in cell.references]
        drawn.add_row(
            cell.load,
            f"{cell.percent} %",
            f"{cell.redis_entries:,}",
            f"{cell.redis:.4f}",
            f"{cell.shoal_entries:,}",
            f"{cell.shoal:.4f}",
            f"{cell.ratio:.3f}",
            "" if equal is None else f"{equal.exact_lru:.4f}",
            "" if equal is None else f"{equal.shoal:.4f}",
            *(ratios or [""] * 3),
        )
    return drawn


def _verdicts_table(judged: list[Verdict]) -> Table:
    drawn = Table()
    for heading in ("what", "figure", "at most", "where", ""):
        drawn.add_column(heading)
    for each in judged:
        holds = {True: "holds", False: "does not hold", None: ""}[each.holds]
        bound = "" if each.bound is None else f"{each.bound:.2f}"
        drawn.add_row(each.name, f"{each.figure:.3f}", bound, each.where, holds)
    return drawn


if __name__ == "__main__":
    main()
