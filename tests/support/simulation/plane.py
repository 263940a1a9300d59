"""A node's data plane: copies and replication in Rust; lease, freezing and roles in Python.

A ``DataPlanePort``. What takes time, draining, is awaited by whoever has it done.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from shoal_coordinator.registry.view import ClusterView
from shoal_node._bridge import SimulatedCopies
from shoal_node.replication_status import PartitionReplication
from simulation.coroutines import Sleep
from simulation.host import Host
from simulation.mutants import Mutant

_DRAIN_POLL_US = 5_000
_NOTHING = -1
NO_EPOCH = -1
ANY_EPOCH = -2


class Watcher(Protocol):
    """Is told when a data plane might acknowledge more than before, or begins to serve."""

    mutant: Mutant

    def may_acknowledge(self, partition: int | None) -> None: ...
    def opened(self, plane: SimulatedPlane, partition: int, epoch: int) -> None: ...
    def promoted(self, plane: SimulatedPlane, partition: int, epoch: int) -> None: ...
    def changed_roles(self, plane: SimulatedPlane) -> None: ...
    def has_news(self, plane: SimulatedPlane) -> None: ...


class SimulatedPlane:
    """One run's. ``serving`` has the epoch of each partition that is open as primary."""

    def __init__(
        self, host: Host, node: str, partitions: int, log_bytes: int, watcher: Watcher
    ) -> None:
        self.host = host
        keeps_ids = watcher.mutant is Mutant.IN_SYNC_BY_NODE
        self.copies = SimulatedCopies(node, partitions, log_bytes, keeps_ids=keeps_ids)
        self.is_ready = False
        self.serving: dict[int, int] = {}
        self.frozen: set[int] = set()
        self.sealed: set[int] = set()
        """Drained as well: what is confirmed from now on is not answered here."""
        self.deadline_ns = 0
        self.required: dict[int, list[str]] = {}
        self._watcher = watcher
        self._mutant = watcher.mutant

    # What a client meets.

    def refuses(self, partition: int) -> bool:
        """Whether a write would not be applied now."""
        return (
            partition not in self.serving
            or partition in self.frozen
            or self.host.now_ns() >= self.deadline_ns
        )

    def confirmed(self, partition: int) -> tuple[int, int]:
        """At which epoch, and up to which sequence, a write may be acknowledged IN_SYNC now.

        ``ANY_EPOCH``: it is not asked for. ``NO_EPOCH``: none, ever, by this node.
        """
        copies, mutant = self.copies, self._mutant
        if mutant is Mutant.NO_CHECK_AT_ANSWER:
            return ANY_EPOCH, copies.committed(partition)
        epoch = self.serving.get(partition)
        if epoch is None or partition in self.sealed or self.host.now_ns() >= self.deadline_ns:
            return NO_EPOCH, _NOTHING
        if mutant is Mutant.ACKNOWLEDGED_BY_ANY_COPY and self.required.get(partition):
            return epoch, max(copies.acked(partition, it) or 0 for it in self.required[partition])
        confirmed = copies.confirmed(partition)
        return epoch, _NOTHING if confirmed is None else confirmed

    # The port.

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        grows = deadline_boottime_ns > self.deadline_ns
        self.deadline_ns = deadline_boottime_ns
        if grows:
            self._watcher.may_acknowledge(None)

    def install_topology(self, topology: ClusterView) -> None:
        """Clients look at the records themselves."""

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        self.copies.open(partition, epoch, copy_id)
        self._serve(partition, epoch)
        self._watcher.opened(self, partition, epoch)

    def promote_partition(self, partition: int, epoch: int) -> None:
        self.copies.promote(partition, epoch)
        self._serve(partition, epoch)
        self._watcher.promoted(self, partition, epoch)
        self._watcher.changed_roles(self)

    def _serve(self, partition: int, epoch: int) -> None:
        self.serving[partition] = epoch
        self.frozen.discard(partition)
        self.sealed.discard(partition)
        self.required.pop(partition, None)
        self._watcher.may_acknowledge(partition)

    def follow_partition(
        self, partition: int, primary: str, address: str, epoch: int, copy_id: str
    ) -> None:
        if epoch < self.serving.get(partition, 0):
            raise ValueError(f"epoch {epoch} of partition {partition} is over")
        self.serving.pop(partition, None)
        self.frozen.discard(partition)
        self.sealed.discard(partition)
        # Streams go to addresses. Nobody's: its primary is not there.
        self.copies.follow(partition, address, epoch, copy_id)
        self._watcher.changed_roles(self)

    def close_partition(self, partition: int) -> None:
        self.serving.pop(partition, None)
        self.frozen.discard(partition)
        self.sealed.discard(partition)
        self.copies.close(partition)
        self._watcher.changed_roles(self)

    def require_copies(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int:
        if self._mutant is Mutant.JOINING_NOT_WAITED_FOR:
            copies = copies[: in_sync_count - 1]
        self.required[partition] = [copy_id for _, copy_id in copies]
        head_seq = self.copies.require(partition, list(copies), in_sync_count)
        self._watcher.has_news(self)
        return head_seq

    def drain_partitions(
        self, copies: Sequence[tuple[int, str]], timeout_ms: int
    ) -> list[bool] | Coroutine[Any, Any, list[bool]]:
        if self._mutant is Mutant.NOTHING_DRAINED:
            return [True] * len(copies)
        return self._drain(copies, self.host.now_ms() + timeout_ms)

    async def _drain(self, wanted: Sequence[tuple[int, str]], until_ms: int) -> list[bool]:
        copies = self.copies
        # Frozen: no more is written than what each has now.
        heads = {it: copies.position(it)[1] for it, _ in wanted if it in self.serving}
        epochs = {it: self.serving[it] for it in heads}
        drained = []
        for partition, copy_id in wanted:
            is_drained = False
            while partition in heads and self.serving.get(partition) == epochs[partition]:
                acked = copies.acked(partition, copy_id)
                is_drained = acked is not None and acked >= heads[partition]
                if is_drained or self.host.now_ms() >= until_ms:
                    break
                await Sleep(_DRAIN_POLL_US)
            drained.append(is_drained)
        for (partition, _), is_drained in zip(wanted, drained, strict=True):
            if is_drained and partition in self.frozen:
                self.sealed.add(partition)
        return drained

    def replication(self, partitions: Sequence[int] | None = None) -> list[PartitionReplication]:
        told = self.copies.status(self.host.now_ms())
        return told if partitions is None else [it for it in told if it.partition in partitions]

    def replication_news(self) -> int:
        return self.copies.news()

    def take_replication_changed(self) -> list[int]:
        return self.copies.take_changed()

    def set_min_in_sync(self, copies: int) -> None:
        self.copies.set_min_in_sync(copies)

    def freeze_partition(self, partition: int) -> None:
        if partition not in self.serving:
            raise ValueError(f"partition {partition} is not served here")
        if self._mutant is not Mutant.NOTHING_FROZEN:
            self.frozen.add(partition)

    def thaw_partition(self, partition: int) -> None:
        self.frozen.discard(partition)
        self.sealed.discard(partition)
        self._watcher.may_acknowledge(partition)

    def set_ready(self, ready: bool) -> None:
        self.is_ready = ready

    def set_snapshot_rate(self, bytes_per_second: int) -> None:
        """Chunks come as fast as the world lets them."""

    def set_eviction(self, eviction: str) -> None:
        """Nothing is evicted."""
