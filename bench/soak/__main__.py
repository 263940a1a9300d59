"""``make bench-soak``: fill a node with everything at once, and watch its memory."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from typing import Any

from bench.machine import description, peak_resident_bytes, resident_bytes
from bench.servers import shoal_cluster
from bench.servers.server import Server
from bench.soak.caller import Orders, call
from bench.soak.mixture import Keys
from bench.soak.verdict import Sample, Verdict, judge
from shoal_node.settings import parse_size

_SAMPLE_SECONDS = 1.0
_SAY_EVERY_SECONDS = 30.0
_BYTES_PER_KEY = 4_000
"""About the mean of what the mixture stores; with it the keys exceed the memory."""


def main() -> None:
    """Run the soak; exit 1 if the bound did not hold, a caller failed, or it is void."""
    arguments = _parser().parse_args()
    maxmemory_bytes = arguments.maxmemory
    keys = Keys(count=max(1_000, 4 * maxmemory_bytes // _BYTES_PER_KEY))
    every_core = tuple(sorted(os.sched_getaffinity(0)))
    with shoal_cluster(every_core, maxmemory_bytes=maxmemory_bytes) as server:
        samples, wrong, evicted = _soak(server, arguments, keys)
        peak_bytes = peak_resident_bytes(server.pid)
    verdict = judge(samples, maxmemory_bytes, peak_bytes, evicted)
    _write(arguments.json, arguments.seed, samples, verdict, wrong)
    if arguments.chart is not None:
        from bench.soak import chart

        chart.draw(samples, verdict, arguments.chart)
    for sentence in wrong:
        print(f"soak: WRONG: {sentence}")
    print(f"soak: {verdict}")
    sys.exit(0 if verdict.holds and not wrong else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--maxmemory", type=parse_size, default="1GiB", help="as of shoal-node")
    parser.add_argument("--processes", type=int, default=2, help="of callers")
    parser.add_argument("--threads", type=int, default=8, help="of each process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("soak.json"))
    parser.add_argument("--chart", type=Path, help="write a picture here: .svg or .png")
    return parser


def _soak(
    server: Server, arguments: argparse.Namespace, keys: Keys
) -> tuple[list[Sample], list[str], int]:
    context = multiprocessing.get_context("spawn")
    counted = context.Value("q", 0)
    stop = context.Event()
    wrong: Any = context.Queue()
    callers = [
        context.Process(
            target=call,
            args=(
                Orders(server.address, 1000 * arguments.seed + number, arguments.threads, keys),
                counted,
                stop,
                wrong,
            ),
        )
        for number in range(arguments.processes)
    ]
    for caller in callers:
        caller.start()
    samples: list[Sample] = []
    began = time.monotonic()
    try:
        samples = _watch(server, counted, began, 60 * arguments.minutes, callers)
        evicted = server.counts().evicted
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
            caller.kill()
    return samples, _drained(wrong), evicted


def _watch(
    server: Server, counted: Any, began: float, seconds: float, callers: list[Any]
) -> list[Sample]:
    samples: list[Sample] = []
    say_at = 0.0
    while (at := time.monotonic() - began) < seconds and any(it.is_alive() for it in callers):
        counts = server.counts()
        samples.append(
            Sample(
                at_seconds=round(at, 1),
                resident_bytes=resident_bytes(server.pid),
                counted_bytes=counts.memory_bytes,
                entries=counts.entries,
                operations=counted.value,
            )
        )
        if at >= say_at:
            say_at = at + _SAY_EVERY_SECONDS
            print(f"soak: {_line(samples[-1])}", flush=True)
        time.sleep(_SAMPLE_SECONDS)
    return samples


def _line(sample: Sample) -> str:
    mib = 1024 * 1024
    return (
        f"{sample.at_seconds:6.0f} s  RSS {sample.resident_bytes / mib:8.1f} MiB  "
        f"counted {sample.counted_bytes / mib:8.1f} MiB  {sample.entries:>9,} entries  "
        f"{sample.operations:>12,} operations"
    )


def _drained(queue: Any) -> list[str]:
    sentences = []
    while True:
        try:
            sentences.append(queue.get_nowait())
        except Empty:
            return sentences


def _write(
    path: Path, seed: int, samples: list[Sample], verdict: Verdict, wrong: list[str]
) -> None:
    result = {
        "machine": description(),
        "seed": seed,
        "verdict": {**asdict(verdict), "holds": verdict.holds, "text": str(verdict)},
        "wrong": wrong,
        "samples": [asdict(sample) for sample in samples],
    }
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
