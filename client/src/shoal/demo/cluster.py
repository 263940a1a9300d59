"""A cluster of a demo's own: ``shoal up --json`` as a subprocess, and the means to hurt it.

It runs in a session of its own, so that Ctrl-C reaches the demo alone, which then stops
the cluster in order. On Linux the kernel also stops it when the demo is killed. A node
that is started again, or one more, is a process of the demo's, and ends with it likewise.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from shoal.demo.failures import ClusterFailed

_START_SECONDS = 90.0
"""Long enough for a machine that is busy building something else."""
_STOP_SECONDS = 50.0
"""Longer than the launcher itself takes at most."""
_NODE_STOP_SECONDS = 15.0
_TAIL_CHARACTERS = 1_500
_BIND = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""
_NODE_PROGRAM = (sys.executable, "-P", "-m", "shoal_node.main")


@dataclass(frozen=True, slots=True)
class Member:
    """A node as ``shoal up --json`` tells of it."""

    id: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What the launcher's line says."""

    etcd_url: str
    members: tuple[Member, ...]

    @property
    def url(self) -> str:
        """What ``shoal.Client.from_url`` takes."""
        return "shoal://" + ",".join(member.address for member in self.members)


def ready_of(line: str) -> Ready:
    """Read the line that ``shoal up --json`` prints."""
    try:
        told = json.loads(line)
        members = tuple(
            Member(node["id"], node["address"], int(node["pid"])) for node in told["nodes"]
        )
        ready = Ready(told["etcd"]["url"], members)
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterFailed(f"`shoal up --json` printed something else: {line!r}") from error
    if not members:
        raise ClusterFailed("`shoal up --json` started no nodes.")
    return ready


class OwnCluster:
    """Made by ``own_cluster``. Usable once ``wait_until_ready`` has returned."""

    def __init__(self, launcher: subprocess.Popen[bytes]) -> None:
        self._launcher = launcher
        self._ready: Ready | None = None
        self._pids: dict[str, int] = {}
        self._own: list[subprocess.Popen[bytes]] = []

    def wait_until_ready(self) -> str:
        """Return the cluster's URL. Raises ``ClusterFailed`` when it does not come up."""
        self._ready = ready_of(_line_of(self._launcher))
        self._pids = {member.id: member.pid for member in self._ready.members}
        return self._ready.url

    @property
    def url(self) -> str:
        return self._told.url

    @property
    def node_ids(self) -> Sequence[str]:
        return [member.id for member in self._told.members]

    def kill(self, node_id: str) -> None:
        """kill -9: the node has no time for anything."""
        os.kill(self._pids[node_id], signal.SIGKILL)

    def terminate(self, node_id: str) -> None:
        """SIGTERM: the node hands its partitions over, and ends."""
        os.kill(self._pids[node_id], signal.SIGTERM)

    def restart(self, node_id: str) -> None:
        """Start a node that ended again, with nothing in memory, at its old address."""
        member = next(each for each in self._told.members if each.id == node_id)
        self._start(node_id, member.address)

    def add(self) -> str:
        """Start one node more, which joins by itself; return its id."""
        host = self._told.members[0].address.rpartition(":")[0]
        node_id = f"node-{len(self._pids) + 1}"
        self._start(node_id, f"{host}:{_free_port(host)}")
        return node_id

    def _start(self, node_id: str, address: str) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            _bound(
                *_NODE_PROGRAM,
                *("--etcd", self._told.etcd_url),
                *("--listen", address),
                *("--id", node_id),
                *("--zone", "zone-a"),
                *("--maxmemory", "256MiB"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._own.append(process)
        self._pids[node_id] = process.pid

    def has_ended(self, node_id: str) -> bool:
        """Whether the node's process is gone."""
        pid = self._pids[node_id]
        for process in self._own:
            if process.pid == pid:
                return process.poll() is not None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        for process in self._own:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._own:
            try:
                process.wait(_NODE_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _stop(self._launcher)

    @property
    def _told(self) -> Ready:
        assert self._ready is not None, "wait until it is ready"
        return self._ready


@contextmanager
def own_cluster(*arguments: str) -> Iterator[OwnCluster]:
    """Starts a cluster with these arguments of ``shoal up``, and stops it at the end."""
    command = _bound(sys.executable, "-m", "shoal.cli", "up", "--json", *arguments)
    with tempfile.TemporaryFile() as complaints:
        cluster = OwnCluster(
            subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
        )
        try:
            yield cluster
        except ClusterFailed as failure:
            raise ClusterFailed(f"{failure}\n{_tail(complaints)}".strip()) from failure
        finally:
            cluster.stop()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _line_of(launcher: subprocess.Popen[bytes]) -> str:
    """Waits for the launcher's line. Raises ``ClusterFailed`` when it does not come."""
    assert launcher.stdout is not None
    deadline = time.monotonic() + _START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(launcher.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise ClusterFailed(f"The cluster was not ready after {_START_SECONDS:.0f} s.")
            chunk = os.read(launcher.stdout.fileno(), 65_536)
            if not chunk:
                raise ClusterFailed("`shoal up` ended before the cluster was ready.")
            line += chunk
    return line.decode()


def _bound(*command: str) -> list[str]:
    """A command that gets SIGTERM when this process dies, where the kernel can do that.

    Not by ``preexec_fn``: that forks, which gRPC's threads in this process do not bear.
    """
    if sys.platform != "linux":
        return [*command]
    return [sys.executable, "-P", "-c", _BIND, *command]


def _stop(launcher: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if launcher.poll() is not None:
            break
        launcher.send_signal(signal_number)
        try:
            launcher.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    if launcher.stdout is not None:
        launcher.stdout.close()


def _tail(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace")[-_TAIL_CHARACTERS:]
