"""A cluster as processes that can be hurt: etcd, of one member or more, two coordinators,
some nodes.

Unlike ``shoal up`` it starts again what it killed, under the same name and address, and
stands on a ``Network`` that can be cut. Every process it started is gone when it is left;
where the machine can do so, also when the test itself is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.soak.chronicle import Chronicle
from tools.soak.namespaces import dying_with_us
from tools.soak.network import CLIENT, Address, Network

from shoal.cli.up.etcd_binary import find
from shoal_coordinator.registry.records import Copy, NodeId
from shoal_coordinator.registry.view import ClusterView

_STOP_SECONDS = 30.0
ETCD = "etcd"


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of cluster."""

    nodes: int = 3
    replicas: int = 1
    partitions: int = 16
    lease_ttl_seconds: int = 2
    etcd_members: int = 1
    maxmemory: str = "256MiB"
    node_arguments: tuple[str, ...] = ()
    coordinator_arguments: tuple[str, ...] = ()


class Program:
    """One process of the cluster, over its lives. Its output goes to ``<name>.log``."""

    def __init__(self, name: str, argv: Sequence[str], log: Path) -> None:
        self.name = name
        self._argv = list(argv)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self) -> None:
        assert not self.is_running, f"{self.name} runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL, and wait for the end. A paused process dies as well."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM, and return at once."""
        self._signal(signal.SIGTERM)

    def wait(self, within_seconds: float = _STOP_SECONDS) -> int:
        """Wait for its end; return its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(within_seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self.name} did not end within {within_seconds} s") from error

    def said(self) -> str:
        """What it has written so far, over all its lives."""
        return self._log.read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        assert self.is_running, f"{self.name} does not run"
        os.kill(self.pid, number)


class Cluster:
    """Use as a context manager: what is entered serves every partition."""

    def __init__(self, shape: Shape, network: Network, folder: Path) -> None:
        self.shape = shape
        self.network = network
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        names = _etcd_names(shape.etcd_members)
        self._clients_at = {name: network.listen(name) for name in names}
        self._peers_at = {name: network.listen(name) for name in names}
        self.etcd_members = {name: self._etcd(name) for name in names}
        self.addresses: dict[str, Address] = {}
        """Where others reach the coordinators and nodes, by name."""
        self.listeners: dict[str, Address] = {}
        """Where nodes listen, behind whatever of the network stands before them."""
        self.coordinators = [self._coordinator(number) for number in (1, 2)]
        self.nodes = {
            name: self._node(name)
            for name in (f"node-{number}" for number in range(1, shape.nodes + 1))
        }
        self.chronicle = Chronicle(",".join(f"http://{at}" for at in self._clients_at.values()))

    @property
    def etcd(self) -> Program:
        """The only member, or the first one."""
        return next(iter(self.etcd_members.values()))

    def etcd_data(self, name: str = ETCD) -> Path:
        """The folder of a member's data."""
        return self._folder / name

    @property
    def programs(self) -> list[Program]:
        return [*self.etcd_members.values(), *self.coordinators, *self.nodes.values()]

    @property
    def seeds(self) -> list[str]:
        """Where clients find the nodes."""
        return [str(self.addresses[name]) for name in self.nodes]

    def __enter__(self) -> Self:
        try:
            self.start_etcd()
            for program in (*self.coordinators, *self.nodes.values()):
                program.start()
            self.chronicle.__enter__()
            self.wait_until_served()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.chronicle.__exit__()
        for program in reversed(self.programs):
            program.kill()
        self.network.close()

    def add_node(self, name: str) -> Program:
        """One more node than the shape has; not started yet."""
        assert name not in self.nodes
        self.nodes[name] = self._node(name)
        return self.nodes[name]

    def start_etcd(self) -> None:
        """Start every member that does not run, and wait until all answer."""
        for member in self.etcd_members.values():
            if not member.is_running:
                member.start()
        self.wait_for_etcd()

    def wait_for_etcd(self, within_seconds: float = 30.0) -> None:
        """Wait until each member that runs answers, and knows a leader."""
        deadline = time.monotonic() + within_seconds
        running = [name for name, member in self.etcd_members.items() if member.is_running]
        while not all(map(self._is_healthy, running)):
            if time.monotonic() > deadline:
                raise AssertionError(f"etcd did not answer; see {self._folder}/etcd*.log")
            time.sleep(0.02)

    def etcd_answers(self) -> bool:
        """Whether any member does, which needs most of them."""
        return any(map(self._is_healthy, self.etcd_members))

    def etcd_leader(self) -> str | None:
        """The member that leads, as itself says; None while nobody does."""
        for name, member in self.etcd_members.items():
            if not member.is_running:
                continue
            try:
                told = self.ask_etcd("/v3/maintenance/status", {}, name)
            except OSError:
                continue
            if told.get("leader", "0") == told["header"]["member_id"]:
                return name
        return None

    def let_lead(self, member: str, leader: str) -> None:
        """Ask etcd's leader to let another member lead. It may not come about."""
        told = self.ask_etcd("/v3/maintenance/status", {}, member)
        with contextlib.suppress(OSError):
            self.ask_etcd(
                "/v3/maintenance/transfer-leadership",
                {"targetID": told["header"]["member_id"]},
                leader,
            )

    def etcd_watches(self, member: str) -> int:
        """How many watch streams a member serves."""
        with urllib.request.urlopen(f"http://{self._clients_at[member]}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(
            r"^etcd_debugging_mvcc_watch_stream_total ([0-9.e+]+)$", text, re.MULTILINE
        )
        assert found is not None, "etcd does not tell of its watches"
        return int(float(found[1]))

    def ask_etcd(
        self, path: str, body: dict[str, object], member: str | None = None
    ) -> dict[str, Any]:
        """Call etcd's JSON gateway, at the first member if none is named."""
        at = self._clients_at[member or self.etcd.name]
        request = urllib.request.Request(
            f"http://{at}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told

    def _is_healthy(self, member: str) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://{self._clients_at[member]}/health", timeout=1
            ) as answer:
                return b'"true"' in answer.read()
        except (OSError, urllib.error.URLError):
            return False

    def wait_until_served(self, copies: int = 1, within_seconds: float = 60.0) -> ClusterView:
        """Wait until all nodes are there, and every partition has so many copies in sync.

        Only nodes that run count, and of copies only those that still have their data.
        """
        running = {NodeId(name) for name, program in self.nodes.items() if program.is_running}

        def serves(view: ClusterView) -> bool:
            return (
                running <= set(view.nodes)
                and len(view.partitions) == self.shape.partitions
                and all(
                    view.primary_is_live(held.record)
                    and sum(lives(view, copy) for copy in held.record.in_sync) >= copies
                    for held in view.partitions.values()
                )
            )

        return self.chronicle.until(
            serves, f"every partition with {copies} copies in sync", within_seconds
        )

    def primaries(self, node: str) -> list[int]:
        """The partitions that a node is the primary of."""
        return [
            partition
            for partition, held in self.chronicle.view.partitions.items()
            if held.record.primary is not None and held.record.primary.node == node
        ]

    def in_sync(self, partition: int) -> tuple[Copy, ...]:
        return {int(key): held for key, held in self.chronicle.view.partitions.items()}[
            partition
        ].record.in_sync

    def complaints(self) -> list[str]:
        """Processes that ended by themselves, and panics and tracebacks in what they wrote."""
        found = [f"{one.name} has ended" for one in self.programs if not one.is_running]
        for program in (*self.nodes.values(), *self.coordinators):
            lines = program.said().splitlines()
            bad = [line for line in lines if "panicked at" in line or "Traceback" in line]
            found += [f"{program.name}: {line[:200]}" for line in bad[:3]]
        return found

    def removed_entries(self) -> int:
        """Entries that live nodes evicted or expired since they started."""
        total = 0
        for live in self.chronicle.view.nodes.values():
            with urllib.request.urlopen(live.registration.metrics_url, timeout=10) as answer:
                text = answer.read().decode()
            for name in ("shoal_evicted_total", "shoal_expired_total"):
                found = re.search(rf"^{name} ([0-9.e+]+)$", text, re.MULTILINE)
                assert found is not None, f"{name} is not among the metrics"
                total += int(float(found[1]))
        return total

    def _program(self, name: str, argv: Sequence[str]) -> Program:
        command = self.network.within(name, dying_with_us(argv))
        return Program(name, command, self._folder / f"{name}.log")

    def _etcd(self, name: str) -> Program:
        peers = {one: f"http://{at}" for one, at in self._peers_at.items()}
        clients = f"http://{self._clients_at[name]}"
        return self._program(
            name,
            [
                str(find(os.environ).path),
                *("--name", name),
                *("--data-dir", str(self.etcd_data(name))),
                *("--listen-client-urls", clients),
                *("--advertise-client-urls", clients),
                *("--listen-peer-urls", peers[name]),
                *("--initial-advertise-peer-urls", peers[name]),
                *("--initial-cluster", ",".join(f"{one}={url}" for one, url in peers.items())),
                *("--log-level", "warn"),
                "--unsafe-no-fsync",
            ],
        )

    def _reached_by(self, place: str) -> str:
        """All members of etcd, as a place reaches them."""
        return ",".join(
            f"http://{self.network.reach(place, member, at)}"
            for member, at in self._clients_at.items()
        )

    def _coordinator(self, number: int) -> Program:
        name = f"coordinator-{number}"
        self.addresses[name] = self.network.listen(name)
        return self._program(
            name,
            [
                *(sys.executable, "-P", "-m", "shoal_coordinator.main"),
                *("--etcd", self._reached_by(name)),
                *("--listen", str(self.addresses[name]), "--insecure"),
                *("--id", name),
                *("--partitions", str(self.shape.partitions)),
                *("--replicas", str(self.shape.replicas)),
                *("--bootstrap-nodes", str(self.shape.nodes)),
                *("--lease-ttl", str(self.shape.lease_ttl_seconds)),
                *self.shape.coordinator_arguments,
            ],
        )

    def _node(self, name: str) -> Program:
        listener, metrics = self.network.listen(name), self.network.listen(name)
        self.listeners[name] = listener
        self.addresses[name] = self.network.reach("", name, listener)
        return self._program(
            name,
            [
                *(sys.executable, "-P", "-m", "shoal_node.main"),
                *("--etcd", self._reached_by(name)),
                *("--listen", str(listener), "--insecure"),
                *("--advertise", str(self.addresses[name])),
                *("--metrics-listen", str(metrics)),
                *("--id", name, "--threads", "2"),
                *("--maxmemory", self.shape.maxmemory),
                *self.shape.node_arguments,
            ],
        )

    def cut_between(self, one: str, others: Sequence[str]) -> None:
        """A full partition: neither direction passes."""
        for other in others:
            self.network.cut(one, other)
            self.network.cut(other, one)

    def places(self, *, but: str, clients: bool) -> list[str]:
        """All other places of the cluster; the clients' too, if asked for."""
        named = [program.name for program in self.programs if program.name != but]
        return [*named, *([CLIENT] if clients else [])]


def _etcd_names(members: int) -> list[str]:
    return [ETCD] if members == 1 else [f"{ETCD}-{number + 1}" for number in range(members)]


def lives(view: ClusterView, copy: Copy) -> bool:
    """Whether the process that has this copy still runs: its id begins as the random part of
    the process's incarnation does."""
    live = view.nodes.get(copy.node)
    if live is None:
        return False
    _, _, drawn = live.registration.incarnation.rpartition("-")
    return drawn.startswith(copy.copy_id.partition("-")[0])
