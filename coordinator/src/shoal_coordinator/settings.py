"""What ``shoal-coordinator`` is told on its command line, checked when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.exposure import check_exposure
from shoal_coordinator.process.tls_settings import TlsSettings
from shoal_coordinator.registry.etcd import BadEtcdUrl
from shoal_coordinator.registry.etcd.urls import endpoint_targets
from shoal_coordinator.registry.keys import BadName, checked_name
from shoal_coordinator.registry.records import Eviction, Unclean

PARTITIONS_MAX = 16_384
_REPLICAS_MAX = 16
_LEASE_TTL_SECONDS_MAX = 3600
_NODES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """One coordinator's settings.

    ``partitions`` to ``lease_ttl_seconds``, ``eviction``, ``min_in_sync``, ``unclean`` and
    ``auto_join`` take effect when the cluster is created.
    """

    etcd: str
    listen: HostPort
    advertise: HostPort | None
    metrics_listen: HostPort | None
    cluster: str
    id: str
    partitions: int
    replicas: int
    bootstrap_nodes: int
    lease_ttl_seconds: int
    is_insecure: bool
    eviction: Eviction = Eviction.S3FIFO
    min_in_sync: int = 1
    unclean: Unclean = Unclean.CLEAR
    auto_join: bool = True
    plan: PlanSettings = field(default_factory=PlanSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    cluster_id: str | None = None
    """The cluster's that is meant; None: whichever stands, or is created."""
    access: Path | None = None
    """The file that says who may do what; None: everybody everything."""

    def __post_init__(self) -> None:
        try:
            endpoint_targets(self.etcd)
            checked_name("cluster name", self.cluster)
            checked_name("coordinator id", self.id)
        except (BadEtcdUrl, BadName) as error:
            raise BadSettings(str(error)) from error
        self.tls.check_etcd(self.etcd)
        self._check_exposure("--listen", self.listen)
        if self.metrics_listen is not None:
            self._check_exposure("--metrics-listen", self.metrics_listen)
        if self.listen.is_wildcard and self.advertise is None:
            raise BadSettings(
                f"--listen {self.listen} is every address of this machine, and nobody can call "
                "that: say with --advertise HOST:PORT where others reach this coordinator"
            )
        self._check_cluster()

    def _check_exposure(self, flag: str, address: HostPort) -> None:
        check_exposure(
            flag,
            address,
            self.tls,
            has_access=self.access is not None,
            is_insecure=self.is_insecure,
        )

    def _check_cluster(self) -> None:
        is_power_of_two = self.partitions > 0 and self.partitions & (self.partitions - 1) == 0
        if not is_power_of_two or self.partitions > PARTITIONS_MAX:
            raise BadSettings(
                f"--partitions {self.partitions} is not usable: take a power of two up to "
                f"{PARTITIONS_MAX}, such as 256"
            )
        if not 0 <= self.replicas <= _REPLICAS_MAX:
            raise BadSettings(
                f"--replicas {self.replicas} is not usable: take 0 (one copy) to {_REPLICAS_MAX}"
            )
        if not 1 <= self.min_in_sync <= 1 + self.replicas:
            raise BadSettings(
                f"--min-in-sync {self.min_in_sync} is not usable: there are {1 + self.replicas} "
                "copies with the primary's, so take 1 to that, or raise --replicas"
            )
        if not 1 <= self.bootstrap_nodes <= _NODES_MAX:
            raise BadSettings(
                f"--bootstrap-nodes {self.bootstrap_nodes} is not usable: take 1 to {_NODES_MAX}"
            )
        if 1 < self.bootstrap_nodes <= self.replicas:
            raise BadSettings(
                f"--bootstrap-nodes {self.bootstrap_nodes} are too few for --replicas "
                f"{self.replicas}, which need a node for each of {1 + self.replicas} copies: take "
                f"{1 + self.replicas} or more, or 1 to begin with whatever is there"
            )
        if not 1 <= self.lease_ttl_seconds <= _LEASE_TTL_SECONDS_MAX:
            raise BadSettings(
                f"--lease-ttl {self.lease_ttl_seconds} is not usable: take 1 to "
                f"{_LEASE_TTL_SECONDS_MAX} seconds, such as 3"
            )
        if self.plan.down_grace_seconds < 2 * self.lease_ttl_seconds:
            raise BadSettings(
                f"--down-grace of {self.plan.down_grace_seconds:g} s is too short for leases of "
                f"{self.lease_ttl_seconds} s: take at least twice as much, so that a node that "
                "restarts keeps its place"
            )
