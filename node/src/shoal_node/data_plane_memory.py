"""The data plane's twin in memory, for tests and simulation.

Holds what the Rust one holds that matters to the agent: which partitions are open
and frozen, the deadline, the topology. It refuses as the real one does, and names
the reason. It holds no data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoal.v1 import topology_pb2 as pb
from shoal_node.data_plane import DataPlaneSettings
from shoal_node.snapshot import PartitionUse, SlowLog, Snapshot

_POLICIES = {"s3fifo", "lru", "lfu", "none"}


@dataclass(slots=True)
class _Open:
    epoch: int
    is_frozen: bool = False


class MemoryDataPlane:
    """A ``DataPlanePort``. ``refusal`` says what a write would be answered."""

    def __init__(self, settings: DataPlaneSettings, clock_ns: Callable[[], int]) -> None:
        self._settings = settings
        self._clock_ns = clock_ns
        self._deadline_ns = 0
        self._open: dict[int, _Open] = {}
        self._is_started = False
        self._eviction = settings.eviction
        self.is_ready = False
        self.topology = pb.Topology()

    def refusal(self, partition: int) -> str | None:
        """The reason for which a write of this partition is not acknowledged now, if any."""
        if not self._is_started:
            return "STOPPING"
        held = self._open.get(partition)
        if held is None:
            owner = self._owner(partition)
            return "NO_OWNER" if owner in {"", self._settings.node_id} else "MOVED"
        if held.is_frozen:
            return "PARTITION_MOVING"
        return "LEASE_EXPIRED" if self._clock_ns() >= self._deadline_ns else None

    def epoch(self, partition: int) -> int | None:
        """The epoch at which a partition is open."""
        held = self._open.get(partition)
        return None if held is None else held.epoch

    def start(self) -> str:
        assert not self._is_started
        self._is_started = True
        return self._settings.listen

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        self._deadline_ns = deadline_boottime_ns

    def install_topology(self, topology: bytes) -> None:
        installed = pb.Topology.FromString(topology)
        if not installed.complete:
            raise ValueError("a topology must be complete to be installed")
        if installed.revision > self.topology.revision:
            self.topology = installed

    def open_partition(self, partition: int, epoch: int) -> None:
        self._check(partition)
        if partition in self._open:
            raise ValueError(f"partition {partition} is open already: close it first")
        if epoch == 0:
            raise ValueError(f"partition {partition} cannot be open at epoch 0")
        self._open[partition] = _Open(epoch)

    def freeze_partition(self, partition: int) -> None:
        self._check(partition)
        if partition not in self._open:
            raise ValueError(f"partition {partition} is not open: there is nothing to freeze")
        self._open[partition].is_frozen = True

    def thaw_partition(self, partition: int) -> None:
        self._check(partition)
        if partition in self._open:
            self._open[partition].is_frozen = False

    def close_partition(self, partition: int) -> None:
        self._check(partition)
        self._open.pop(partition, None)

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001
        self.is_ready = ready

    def set_eviction(self, eviction: str) -> None:
        if eviction not in _POLICIES:
            raise ValueError(f"there is no eviction policy {eviction}: take one of {_POLICIES}")
        self._eviction = eviction

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """What a data plane tells that has served nothing."""
        remaining_ns = max(0, self._deadline_ns - self._clock_ns())
        told = sorted(self._open.items()) if partitions else ()
        return Snapshot(
            maxmemory_bytes=self._settings.maxmemory_bytes,
            open_partitions=len(self._open),
            lease_remaining_ms=remaining_ns // 1_000_000,
            eviction=self._eviction,
            partitions=tuple(PartitionUse(partition, held.epoch) for partition, held in told),
            slow=SlowLog(threshold_ns=self._settings.slow_request_ms * 1_000_000),
        )

    def stop(self, grace_ms: int) -> None:  # noqa: ARG002
        self._is_started = False

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self._settings.partition_count:
            raise ValueError(f"there is no partition {partition}")

    def _owner(self, partition: int) -> str:
        return next((it.primary for it in self.topology.partitions if it.id == partition), "")
