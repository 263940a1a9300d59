"""What ``shoal-node`` is told, checked when it is loaded.

Relations between settings are checked here, with a sentence that says what to
change. What depends on the cluster's configuration (the lease's TTL) is checked in
``timing`` once that is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.exposure import check_exposure
from shoal_coordinator.process.tls_settings import TlsSettings
from shoal_coordinator.registry.etcd import BadEtcdUrl
from shoal_coordinator.registry.etcd.urls import endpoint_targets
from shoal_coordinator.registry.keys import BadName, checked_name

_UNITS_BYTES = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_MAXMEMORY_BYTES_MIN = 128 << 20
"""The process by itself takes about 60 MiB, messages under way half as much."""
_RESIDENT_PART = 1.1
"""What a process may take beside its maxmemory, see the soak of ``bench``."""
_THREADS_MAX = 256
_WEIGHT_MAX = 100_000
_SLOW_REQUEST_MS_MAX = 3_600_000
_NEAR_GRANT_MS_MAX = 60_000
_STOP_SECONDS_MAX = 86_400.0
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One node's settings. ``id`` and ``advertise``: None where the listener gives them."""

    etcd: str
    listen: HostPort
    advertise: HostPort | None
    metrics_listen: HostPort
    cluster: str
    id: str | None
    zone: str
    weight: int
    maxmemory_bytes: int
    threads: int
    is_insecure: bool
    slow_request_ms: int = 10
    partition_metrics_max: int = 256
    """Metrics of each partition are served while the cluster has no more of them."""
    memory_limit_bytes: int | None = None
    """What the machine, or the container, lets this process have; None: not known."""
    near_grant_ms: int = 1000
    """For how long clients may answer a hot key from their own memory; 0: not at all."""
    stop_seconds: float = 5.0
    """For how long a node that stops tries to hand over what it has."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    cluster_id: str | None = None
    """The cluster's that is meant; None: whichever stands."""
    access: Path | None = None
    """The file that says who may do what; None: everybody everything."""
    peer_token: Path | None = None
    """The file of the token that other nodes are shown."""

    def __post_init__(self) -> None:
        try:
            endpoint_targets(self.etcd)
            checked_name("cluster name", self.cluster)
            if self.id is not None:
                checked_name("node id", self.id)
        except (BadEtcdUrl, BadName) as error:
            raise BadSettings(str(error)) from error
        self.tls.check_etcd(self.etcd)
        self._check_tls()
        self._check_access()
        self._check_exposure("--listen", self.listen)
        self._check_exposure("--metrics-listen", self.metrics_listen)
        if not 0 <= self.weight <= _WEIGHT_MAX:
            raise BadSettings(
                f"--weight {self.weight} is not usable: take 0 (a proxy that owns nothing) "
                f"to {_WEIGHT_MAX}"
            )
        if not 1 <= self.threads <= _THREADS_MAX:
            raise BadSettings(f"--threads {self.threads} is not usable: take 1 to {_THREADS_MAX}")
        if self.partition_metrics_max < 0:
            raise BadSettings(
                f"--partition-metrics {self.partition_metrics_max} is not usable: take 0 (none) "
                "or more"
            )
        self._check_times()
        self._check_memory()

    def _check_tls(self) -> None:
        if self.tls.own is not None and self.tls.own.authority is None:
            raise BadSettings(
                "--tls-cert needs --tls-ca FILE: nodes show each other certificates, so say who "
                "signs them"
            )

    def _check_access(self) -> None:
        if self.access is not None and self.tls.own is None and self.peer_token is None:
            raise BadSettings(
                "--access needs --peer-token-file FILE, or --tls-cert: other nodes have to know "
                "this one, so give it a token whose role has peer, or a certificate"
            )

    def _check_times(self) -> None:
        if not 0 <= self.slow_request_ms <= _SLOW_REQUEST_MS_MAX:
            raise BadSettings(
                f"--slow-request {self.slow_request_ms} is not usable: take 0 (every request) to "
                f"{_SLOW_REQUEST_MS_MAX} ms"
            )
        if not 0 <= self.near_grant_ms <= _NEAR_GRANT_MS_MAX:
            raise BadSettings(
                f"--near-grant-ms {self.near_grant_ms} is not usable: take 0 (no near caches) to "
                f"{_NEAR_GRANT_MS_MAX} ms"
            )
        if not 0 <= self.stop_seconds <= _STOP_SECONDS_MAX:
            raise BadSettings(
                f"--stop-within {self.stop_seconds:g} is not usable: take 0 (hand nothing over) to "
                f"{_STOP_SECONDS_MAX:g} seconds"
            )

    def _check_memory(self) -> None:
        if self.maxmemory_bytes < _MAXMEMORY_BYTES_MIN:
            raise BadSettings(
                f"--maxmemory of {self.maxmemory_bytes} bytes is too little: it bounds the whole "
                f"process, so take at least {_MAXMEMORY_BYTES_MIN >> 20}MiB"
            )
        limit_bytes = self.memory_limit_bytes
        if limit_bytes is not None and self.maxmemory_bytes * _RESIDENT_PART > limit_bytes:
            raise BadSettings(
                f"--maxmemory of {self.maxmemory_bytes} bytes does not fit the {limit_bytes} bytes "
                "that this machine or container has: a process may go 10 % above it for moments, "
                f"so take at most {int(limit_bytes / _RESIDENT_PART) >> 20}MiB, or raise the limit"
            )

    def _check_exposure(self, flag: str, address: HostPort) -> None:
        check_exposure(
            flag,
            address,
            self.tls,
            has_access=self.access is not None,
            is_insecure=self.is_insecure,
        )


def parse_size(text: str) -> int:
    """Bytes in ``1GiB``, ``512MiB``, ``1.5GB`` or ``1048576``."""
    match = _SIZE.fullmatch(text)
    unit_bytes = None if match is None else _UNITS_BYTES.get(match[2].lower())
    if match is None or unit_bytes is None:
        raise BadSettings(
            f"{text!r} is not a size: write a number of bytes, or one with KiB, MiB, GiB, TiB, "
            "KB, MB, GB or TB, such as 512MiB"
        )
    return int(float(match[1]) * unit_bytes)


def parse_maxmemory(text: str, limit_bytes: int | None) -> int:
    """Bytes in a size, or in a part of ``limit_bytes`` such as ``80%``. Raises BadSettings.

    ``limit_bytes``: what this process can have, None where that is not known.
    """
    match = _PART.fullmatch(text)
    if match is None:
        return parse_size(text)
    if limit_bytes is None:
        raise BadSettings(
            f"--maxmemory {text}: how much memory this machine or container has cannot be read "
            "here, so take a size, such as 512MiB"
        )
    return int(float(match[1]) * limit_bytes / 100)
