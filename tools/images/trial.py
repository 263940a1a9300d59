"""What is asked of images that were built: each by itself, and all of them as a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.images.confined import Image

from shoal.cli.up.etcd_binary import find

COMPILERS = ("as", "c++", "cargo", "cc", "clang", "g++", "gcc", "go", "ld", "make", "rustc")
_BINARIES = ("bin", "opt/shoal/bin", "sbin", "usr/bin", "usr/local/bin", "usr/sbin")
_STEP_SECONDS = 60.0
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
    etcd_at, peer_at, admin_at, node_at, metrics_at = _free_ports(5)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoal-images-")))
        etcd = f"http://127.0.0.1:{etcd_at}"
        peer = f"http://127.0.0.1:{peer_at}"
        stack.enter_context(
            _running(
                [
                    *(str(find(os.environ).path), "--data-dir", str(folder / "etcd")),
                    *("--listen-client-urls", etcd, "--advertise-client-urls", etcd),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"default={peer}", "--log-level", "error"),
                ],
                folder / "etcd.log",
            )
        )
        _until(lambda: _listens(etcd_at), "etcd to listen")
        coordinator = ("--etcd", etcd, "--listen", f"127.0.0.1:{admin_at}", "--replicas", "0")
        stack.enter_context(
            _running(images["coordinator"].command(coordinator), folder / "coordinator.log")
        )
        began = time.monotonic()
        node = stack.enter_context(
            _running(
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


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends. Where that fails, the end of its log is shown."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        except AssertionError:
            print(f"{log.name}: {log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


def _until(state: object, what: str) -> None:
    assert callable(state)
    deadline = time.monotonic() + _STEP_SECONDS
    while not state():
        assert time.monotonic() < deadline, f"not within {_STEP_SECONDS:.0f} s: {what}"
        time.sleep(0.1)
