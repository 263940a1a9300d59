"""What is asked of images that were built: each by itself, and all of them as a cluster."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.images.confined import Image
from tools.processes import free_ports, running, running_etcd

from shoal.cli.up.probes import etcd_is_healthy

COMPILERS = ("as", "c++", "cargo", "cc", "clang", "g++", "gcc", "go", "ld", "make", "rustc")
_BINARIES = ("bin", "opt/shoal/bin", "sbin", "usr/bin", "usr/local/bin", "usr/sbin")
_STEP_SECONDS = 60.0
_ANSWER_SECONDS = 1.0
_ASKS = "import os; print(os.getuid(), os.getgid())"
_WRITES = "open('/opt/shoal/lib/x', 'w')"


def look(image: Image) -> str:
    """Return what there is to tell of an image. Raises AssertionError."""
    version = image.told("--version")
    uid = image.told("-c", _ASKS, program=("python",))
    assert uid == "10001 10001", f"{image.name} runs as {uid}"
    compilers = [
        name for name in COMPILERS for folder in _BINARIES if (image.root / folder / name).exists()
    ]
    assert compilers == [], f"{image.name} holds {compilers}"
    written = subprocess.run(
        image.command(["-c", _WRITES], ("python",)), capture_output=True, check=False
    )
    assert written.returncode != 0, f"{image.name} can change itself"
    return f"{version}, user {uid}, {image.size_bytes >> 20} MiB, no compiler"


def run_together(images: Mapping[str, Image]) -> str:
    """A real etcd, and a coordinator, a node and the tools out of their images."""
    admin_at, node_at, metrics_at = free_ports(3)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoal-images-")))
        etcd = stack.enter_context(running_etcd(folder))
        _until(lambda: etcd_is_healthy(etcd, _ANSWER_SECONDS), "etcd to answer")
        coordinator = ("--etcd", etcd, "--listen", f"127.0.0.1:{admin_at}", "--replicas", "0")
        stack.enter_context(
            running(images["coordinator"].command(coordinator), folder / "coordinator.log")
        )
        began = time.monotonic()
        node = stack.enter_context(
            running(
                images["node"].command(
                    [
                        *("--etcd", etcd, "--listen", f"127.0.0.1:{node_at}", "--id", "node-0"),
                        *("--metrics-listen", f"127.0.0.1:{metrics_at}", "--maxmemory", "256MiB"),
                    ]
                ),
                folder / "node.log",
            )
        )
        url = ("--url", f"shoal://127.0.0.1:{node_at}")
        tools = images["tools"]
        _until(lambda: _ends_well(tools.command(["status", *url])), "every partition to be served")
        served_seconds = time.monotonic() - began
        tools.told("set", "product:42", "a kettle", *url)
        assert tools.told("get", "product:42", *url) == "a kettle"
        bench = json.loads(
            tools.told("bench", "--seconds", "1", "--keys", "100", "-o", "json", *url)
        )
        assert bench["errors"] == {}, bench
        node.terminate()
        assert node.wait(_STEP_SECONDS) == 0, "the node did not stop in order"
        return f"served after {served_seconds:.1f} s, {bench['hits']} hits, stopped in order"


def _ends_well(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _until(state: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _STEP_SECONDS
    while not state():
        assert time.monotonic() < deadline, f"not within {_STEP_SECONDS:.0f} s: {what}"
        time.sleep(0.1)
