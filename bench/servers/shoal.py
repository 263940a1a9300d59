"""Shoal: a whole cluster of one node, or its data plane by itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench.binaries import binary
from bench.machine import cores as machine_cores
from bench.machine import on_cores, pin
from bench.servers.server import Counts, Server


@contextmanager
def shoal_cluster(cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30) -> Iterator[Server]:
    """``shoal up`` with one node that owns everything: the server that people run.

    Its CPU time is that of the node's whole process, the agent in Python included. etcd
    and the coordinators stand on the loader's core, where they do next to nothing.
    """
    command = [
        str(Path(sys.executable).parent / "shoal"), "up", "--json",
        "--nodes", "1", "--replicas", "0", "--maxmemory", str(maxmemory_bytes),
    ]  # fmt: skip
    # The node takes a thread for each core that it may use when it starts.
    with on_cores(cores):
        starting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with starting as launcher:
        assert launcher.stdout is not None
        try:
            line = launcher.stdout.readline()
            if not line:
                raise RuntimeError("`shoal up` did not start a node; it said why above")
            started = json.loads(line)
            (node,) = started["nodes"]
            beside = [started["etcd"], *started["coordinators"], {"pid": launcher.pid}]
            for each in beside:
                pin(each["pid"], machine_cores().loader)
            yield running_node(
                node["address"], node["pid"], node["metrics"], started["etcd"]["url"]
            )
        finally:
            launcher.terminate()


def running_node(address: str, pid: int, metrics_url: str, registry: str = "") -> Server:
    """A node that somebody else started."""
    return Server(
        name="Shoal",
        protocol="shoal",
        version=version("shoal-node"),
        address=address,
        pid=pid,
        counts=lambda: metrics_counts(_fetch(metrics_url)),
        registry=registry,
    )


@contextmanager
def shoal_plane(
    cores: tuple[int, ...], *, maxmemory_bytes: int = 2 << 30, followed: str = ""
) -> Iterator[Server]:
    """The data plane alone, as ``shoal-plane`` builds it from the sources as they are.

    ``followed``: the address of the plane whose every partition it follows; by default it
    serves them itself.
    """
    does = "follow" if followed else "serve"
    command = [str(binary("shoal-plane")), does, str(len(cores)), str(maxmemory_bytes)]
    command += [followed] if followed else []
    with on_cores(cores):
        starting = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with starting as plane:
        stdin, stdout = plane.stdin, plane.stdout
        assert stdin is not None
        assert stdout is not None

        def counts() -> Counts:
            stdin.write("\n")
            stdin.flush()
            said = json.loads(stdout.readline())
            return Counts(said["entries"], said["memory_bytes"], applied=said["applied"])

        try:
            started = json.loads(stdout.readline())
            yield Server(
                name="Shoal",
                protocol="shoal",
                version=f"{version('shoal-node')} (data plane alone)",
                address=started["address"],
                pid=started["pid"],
                counts=counts,
            )
        finally:
            plane.terminate()


def metrics_counts(exposition: str) -> Counts:
    """Of the node's Prometheus metrics. Pure."""

    def figure(name: str) -> int:
        found = re.search(rf"^{name} (\S+)$", exposition, re.MULTILINE)
        if found is None:
            raise ValueError(f"the node's metrics say nothing of {name}")
        return int(float(found[1]))

    return Counts(
        entries=figure("shoal_entries"),
        memory_bytes=figure("shoal_memory_bytes"),
        evicted=figure("shoal_evicted_total"),
        reads=sum(
            int(float(count))
            for count in re.findall(
                r'^shoal_operations_total\{.*operation="get".*\} (\S+)$', exposition, re.MULTILINE
            )
        ),
    )


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text
