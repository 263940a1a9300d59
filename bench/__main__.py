"""`make bench`: run every load on both servers in turn, and print the comparison."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import loads
from bench.comparison import Comparison, compare
from bench.loads import Measured
from bench.servers import MissingPeer, Server, redis, shoal_node


@dataclass(frozen=True, slots=True)
class Load:
    name: str
    shoal: Callable[[Server], Measured]
    redis: Callable[[Server], Measured]


MGET = ["mget", *["key:__rand_int__"] * 100]
LOADS = (
    Load(
        "get, 50 connections x 1",
        lambda server: loads.shoal(server, "get", 50, 1),
        lambda server: loads.redis(server, ["-t", "get"], 50, 300_000),
    ),
    Load(
        "get, 4 connections x 32",
        lambda server: loads.shoal(server, "get", 4, 32),
        lambda server: loads.redis(server, ["-t", "get"], 50, 300_000),
    ),
    Load(
        "set, 4 connections x 32",
        lambda server: loads.shoal(server, "set", 4, 32),
        lambda server: loads.redis(server, ["-t", "set"], 50, 300_000),
    ),
    Load(
        "mget of 100, per key",
        lambda server: loads.shoal(server, "mget", 4, 4),
        lambda server: loads.redis(server, MGET, 16, 20_000, keys_each=100),
    ),
)


def table(comparisons: list[Comparison]) -> Table:
    drawn = Table(title="CPU of the server per operation, one core, 1 KiB values")
    for heading in (
        "load",
        "Shoal us",
        "Redis us",
        "ratio",
        "spread",
        "Shoal op/s",
        "Redis op/s",
        "",
    ):
        drawn.add_column(heading, justify="left" if heading in {"load", ""} else "right")
    for each in comparisons:
        drawn.add_row(
            each.name,
            f"{each.shoal_cpu_us:.2f}",
            f"{each.redis_cpu_us:.2f}",
            f"{each.cpu_ratio:.2f}",
            f"{each.cpu_ratio_spread:.0%}",
            f"{each.shoal_per_second:,.0f}",
            f"{each.redis_per_second:,.0f}",
            "too noisy to tell" if each.is_noisy else "",
        )
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", "--package", "shoal-loader"],
        check=True,
    )
    try:
        with shoal_node() as ours, redis() as theirs:
            loads.fill(ours, theirs)
            comparisons = [
                compare(
                    load.name,
                    [(load.shoal(ours), load.redis(theirs)) for _ in range(arguments.repetitions)],
                )
                for load in LOADS
            ]
    except MissingPeer as missing:
        sys.exit(f"bench: {missing}")
    Console(width=120).print(table(comparisons))
    arguments.json.write_text(json.dumps([asdict(each) for each in comparisons], indent=2))


if __name__ == "__main__":
    main()
