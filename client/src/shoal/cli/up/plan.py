"""What to start: the processes of a cluster as values, a pure function of options and ports.

Non-goal: starting them (``supervised.py``), or knowing when they serve
(``readiness.py``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from urllib.parse import urlencode

from shoal.cli.up.certificates import Certificates
from shoal.cli.up.ports import HOST

COORDINATOR_COUNT = 2
PARTITIONS_MAX = 16_384
UNCLEAN = ("clear", "keep", "refuse")
ZONE_NAMES = "abcdefghijklmnopqrstuvwxyz"
ETCD = "etcd"


class BadOptions(ValueError):
    """Options that contradict each other; the message says what to change."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What ``shoal up`` was asked for. ``data_dir`` None: a temporary one."""

    nodes: int = 3
    replicas: int = 1
    partitions: int = 256
    zones: int = 1
    maxmemory: str = "256MiB"
    lease_ttl_seconds: int = 3
    min_in_sync: int = 1
    unclean: str = "clear"
    data_dir: Path | None = None
    is_tls: bool = False
    """All but etcd, which only they talk to."""

    def __post_init__(self) -> None:
        if self.replicas >= self.nodes:
            raise BadOptions(
                f"--replicas {self.replicas} needs at least {self.replicas + 1} nodes; "
                f"there are {self.nodes}: raise --nodes or lower --replicas"
            )
        if not 1 <= self.min_in_sync <= 1 + self.replicas:
            raise BadOptions(
                f"--min-in-sync {self.min_in_sync} is not 1 to {1 + self.replicas}, the copies "
                "that there are with the primary's: lower it or raise --replicas"
            )
        if self.partitions.bit_count() != 1 or self.partitions > PARTITIONS_MAX:
            raise BadOptions(
                f"--partitions {self.partitions} is not a power of two up to {PARTITIONS_MAX}"
            )
        if self.zones > len(ZONE_NAMES):
            raise BadOptions(f"--zones {self.zones} is more than {len(ZONE_NAMES)}")


class StopRank(IntEnum):
    """The order of stopping: nodes give up their leases while etcd still stands."""

    NODE = 0
    COORDINATOR = 1
    ETCD = 2


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process. Its output goes to ``<name>.log``."""

    name: str
    rank: StopRank
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EtcdPlan:
    url: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True)
class CoordinatorPlan:
    address: str
    metrics_url: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True)
class NodePlan:
    id: str
    zone: str
    address: str
    metrics_url: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True)
class Ports:
    """Two ports for each process: etcd's clients and peers, the others' gRPC and metrics."""

    by_process: Mapping[str, tuple[int, int]]

    @classmethod
    def draw(cls, options: UpOptions, free: Iterator[int]) -> Ports:
        return cls({name: (next(free), next(free)) for name in process_names(options)})

    def redrawn(self, process: str, free: Iterator[int]) -> Ports:
        """The same ports, but for one process that could not bind its own."""
        return Ports({**self.by_process, process: (next(free), next(free))})


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    etcd: EtcdPlan
    coordinators: tuple[CoordinatorPlan, ...]
    nodes: tuple[NodePlan, ...]
    certificates: Certificates | None = None

    @property
    def specs(self) -> tuple[ProcessSpec, ...]:
        return (
            self.etcd.spec,
            *(coordinator.spec for coordinator in self.coordinators),
            *(node.spec for node in self.nodes),
        )

    @property
    def url(self) -> str:
        """What ``shoal.Client.from_url`` takes."""
        seeds = ",".join(node.address for node in self.nodes)
        if self.certificates is None:
            return f"shoal://{seeds}"
        return f"shoals://{seeds}?{urlencode({'tls_ca': self.certificates.authority})}"

    def ready_line(self, pids: Mapping[str, int]) -> str:
        """The one line of ``--json``: where everything is, by process."""
        own = self.certificates
        return json.dumps(
            ({} if own is None else {"tls": {"ca": str(own.authority)}})
            | {
                "etcd": {"url": self.etcd.url, "pid": pids[self.etcd.spec.name]},
                "coordinators": [
                    {
                        "address": coordinator.address,
                        "pid": pids[coordinator.spec.name],
                        "metrics": coordinator.metrics_url,
                    }
                    for coordinator in self.coordinators
                ],
                "nodes": [
                    {
                        "id": node.id,
                        "address": node.address,
                        "pid": pids[node.spec.name],
                        "metrics": node.metrics_url,
                    }
                    for node in self.nodes
                ],
            }
        )


@dataclass(frozen=True, slots=True)
class Programs:
    """How to run each program."""

    etcd: Path
    coordinator: tuple[str, ...]
    node: tuple[str, ...]

    @classmethod
    def beside(cls, etcd: Path, python: str = sys.executable) -> Programs:
        """Shoal's own programs in the environment of this Python, activated or not.

        ``-P``: nothing is imported from the directory that the caller stands in.
        """
        return cls(
            etcd=etcd,
            coordinator=(python, "-P", "-m", "shoal_coordinator.main"),
            node=(python, "-P", "-m", "shoal_node.main"),
        )


def coordinator_names() -> list[str]:
    return [f"coordinator-{number}" for number in range(1, COORDINATOR_COUNT + 1)]


def node_names(options: UpOptions) -> list[str]:
    return [f"node-{number}" for number in range(1, options.nodes + 1)]


def process_names(options: UpOptions) -> list[str]:
    return [ETCD, *coordinator_names(), *node_names(options)]


def plan(options: UpOptions, ports: Ports, programs: Programs, directory: Path) -> ClusterPlan:
    """All processes of the cluster. The same input gives the same plan."""
    etcd = _etcd(options, ports, programs, directory)
    certificates = Certificates.beside(directory) if options.is_tls else None
    shared = ("--etcd", etcd.url, *(() if certificates is None else certificates.flags))
    return ClusterPlan(
        etcd=etcd,
        coordinators=tuple(
            _coordinator(name, options, ports, programs, shared) for name in coordinator_names()
        ),
        nodes=tuple(
            _node(index, name, options, ports, programs, shared)
            for index, name in enumerate(node_names(options))
        ),
        certificates=certificates,
    )


def _etcd(options: UpOptions, ports: Ports, programs: Programs, directory: Path) -> EtcdPlan:
    client_port, peer_port = ports.by_process[ETCD]
    client_url, peer_url = f"http://{HOST}:{client_port}", f"http://{HOST}:{peer_port}"
    argv = [
        str(programs.etcd),
        *("--name", ETCD),
        *("--data-dir", str(directory / "etcd")),
        *("--listen-client-urls", client_url),
        *("--advertise-client-urls", client_url),
        *("--listen-peer-urls", peer_url),
        *("--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"{ETCD}={peer_url}"),
        *("--log-level", "warn"),
    ]
    if options.data_dir is None:
        # The data is thrown away with the cluster: waiting for the disk gains nothing.
        argv.append("--unsafe-no-fsync")
    return EtcdPlan(client_url, ProcessSpec(ETCD, StopRank.ETCD, tuple(argv)))


def _coordinator(
    name: str, options: UpOptions, ports: Ports, programs: Programs, shared: tuple[str, ...]
) -> CoordinatorPlan:
    port, metrics_port = ports.by_process[name]
    address, metrics_address = f"{HOST}:{port}", f"{HOST}:{metrics_port}"
    argv = (
        *programs.coordinator,
        *shared,
        *("--listen", address),
        *("--metrics-listen", metrics_address),
        *("--id", name),
        *("--partitions", str(options.partitions)),
        *("--replicas", str(options.replicas)),
        *("--bootstrap-nodes", str(options.nodes)),
        *("--lease-ttl", str(options.lease_ttl_seconds)),
        *("--min-in-sync", str(options.min_in_sync)),
        *("--unclean", options.unclean),
    )
    return CoordinatorPlan(
        address=address,
        metrics_url=_metrics_url(options, metrics_address),
        spec=ProcessSpec(name, StopRank.COORDINATOR, argv),
    )


def _node(
    index: int,
    name: str,
    options: UpOptions,
    ports: Ports,
    programs: Programs,
    shared: tuple[str, ...],
) -> NodePlan:
    port, metrics_port = ports.by_process[name]
    address, metrics_address = f"{HOST}:{port}", f"{HOST}:{metrics_port}"
    zone = f"zone-{ZONE_NAMES[index % options.zones]}"
    argv = (
        *programs.node,
        *shared,
        *("--listen", address),
        *("--id", name),
        *("--zone", zone),
        *("--maxmemory", options.maxmemory),
        *("--metrics-listen", metrics_address),
    )
    return NodePlan(
        id=name,
        zone=zone,
        address=address,
        metrics_url=_metrics_url(options, metrics_address),
        spec=ProcessSpec(name, StopRank.NODE, argv),
    )


def _metrics_url(options: UpOptions, address: str) -> str:
    return f"{'https' if options.is_tls else 'http'}://{address}/metrics"
