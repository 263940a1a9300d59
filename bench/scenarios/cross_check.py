"""The same load from tools that were not written for this, beside the loader of this folder.

``h2load`` repeats one request, so the loader reads one key here too; ``redis-benchmark``
draws from as many keys as the loader. A tool that is dearer itself sends fewer requests at a
time, so that each costs the server more: the ratio tells how much that makes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from bench.finding import Finding, Row
from bench.loader_process import Load, run
from bench.machine import cores, cpu_seconds, on_cores
from bench.sample import Sample
from bench.scenarios.plan import Plan
from bench.scenarios.wire import KEYS, fill
from bench.servers import Server

NAME = "cross-check"
KEY_BYTES = 16


def measure(plan: Plan) -> list[Finding]:
    findings = []
    requests = 2_000 if plan.is_quick else 100_000
    with NamedTemporaryFile() as body:
        Path(body.name).write_bytes(get_request(0))
        findings.append(
            _checked(
                plan,
                "Shoal",
                "h2load",
                Load(keys=1),
                lambda server: _h2load(server, requests, body.name),
            )
        )
        findings.append(
            _checked(
                plan,
                "Redis",
                "redis-benchmark",
                Load(connections=50, streams=1, keys=KEYS),
                lambda server: _redis_benchmark(server, requests),
            )
        )
    return [finding for finding in findings if finding is not None]


def _checked(
    plan: Plan, name: str, tool: str, load: Load, other: Callable[[Server], float]
) -> Finding | None:
    if name not in plan.servers:
        return None
    if shutil.which(tool) is None:
        plan.say(f"skipped: {tool} is not installed, so the loader is not checked against it")
        return None
    ours, theirs = [], []
    with plan.servers[name]((plan.cores.server,)) as server:
        run(server, fill(load.keys))
        for _ in range(plan.repetitions):
            ours.append(run(server, replace(load, seconds=plan.seconds)).cpu_us_per_operation)
            theirs.append(other(server))
    return Finding(
        name=f"{NAME}-{tool}",
        title=f"the same load on {name} from this loader and from {tool}",
        unit="us CPU a key",
        rows=(
            Row(name, f"shoal-loader: {load.text}", Sample.of(ours)),
            Row(name, f"{tool}: the same", Sample.of(theirs)),
        ),
        figure_name=f"shoal-loader / {tool}",
        figure=Sample.of([mine / other for mine, other in zip(ours, theirs, strict=True)]),
    )


def get_request(number: int) -> bytes:
    """A ``GetRequest`` of one of the loader's keys, in gRPC's framing. Pure."""
    key = f"key:{number:0{KEY_BYTES - 4}d}".encode()
    message = b"\x0a" + bytes([len(key)]) + key
    return b"\0" + len(message).to_bytes(4, "big") + message


def _h2load(server: Server, requests: int, body: str) -> float:
    printed, cpu = _run(
        server,
        [
            *("h2load", "-n", str(requests), "-c", "4", "-m", "32", "-d", body),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{server.address}/shoal.v1.Cache/Get",
        ],
    )
    answered = h2load_answered(printed)
    if answered != requests:
        raise RuntimeError(f"h2load: {answered} of {requests} requests were answered with 200")
    return cpu / requests * 1e6


def h2load_answered(printed: str) -> int:
    """How many requests got a status of 2xx. Pure."""
    found = re.search(r"^status codes: (\d+) 2xx", printed, re.MULTILINE)
    if found is None:
        raise ValueError(f"h2load says nothing of its status codes: {printed!r}")
    return int(found[1])


def _redis_benchmark(server: Server, requests: int) -> float:
    host, port = server.host_port
    _, cpu = _run(
        server,
        [
            *("redis-benchmark", "-h", host, "-p", str(port), "-t", "get", "--csv"),
            *("-c", "50", "-n", str(requests), "-r", str(KEYS)),
        ],
    )
    return cpu / requests * 1e6


def _run(server: Server, command: list[str]) -> tuple[str, float]:
    """What a tool printed, and what CPU time the server took meanwhile."""
    before = cpu_seconds(server.pid)
    with on_cores([cores().loader]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout, cpu_seconds(server.pid) - before
