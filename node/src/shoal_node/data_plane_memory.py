"""The data plane's twin in memory, for stories of an agent's life.

Holds what the Rust one holds that matters to the agent: which partitions are served,
frozen and followed, the deadline, the topology, and of each copy its operations
(``copy_memory``). It refuses as the real one does, and names the reason. The twins of
one test cluster follow each other over a ``MemoryNetwork``, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shoal.v1 import topology_pb2 as pb
from shoal_coordinator.registry.records import CopyId, NodeId, PartitionId
from shoal_node.bell_memory import Bell
from shoal_node.copy_memory import Known, MemoryCopy, Operation
from shoal_node.data_plane import DataPlaneSettings, DataPlaneTls
from shoal_node.network_memory import MemoryNetwork
from shoal_node.replication_status import Follower, PartitionReplication
from shoal_node.snapshot import PartitionUse, SlowLog, Snapshot

_POLICIES = {"s3fifo", "lru", "lfu", "none"}


class MemoryDataPlane:
    """A ``DataPlanePort``. ``refusal`` says what a write would be answered."""

    def __init__(
        self,
        settings: DataPlaneSettings,
        clock_ns: Callable[[], int],
        network: MemoryNetwork | None = None,
    ) -> None:
        self.node = settings.node_id
        self.network = MemoryNetwork() if network is None else network
        self.is_ready = False
        self.topology = pb.Topology()
        self._settings = settings
        self._clock_ns = clock_ns
        self._deadline_ns = 0
        self._copies: dict[int, MemoryCopy] = {}
        self._is_started = False
        self._eviction = settings.eviction
        self._min_in_sync = 1
        self._news = Bell()

    # What a client would see.

    def refusal(self, partition: int, *, in_sync: bool = False) -> str | None:
        """The reason for which a write of this partition is not applied now, if any."""
        if not self._is_started:
            return "STOPPING"
        copy = self._copies.get(partition)
        if copy is None or copy.role != "primary":
            owner = self._owner(partition)
            return "NO_OWNER" if owner in {"", self.node} else "MOVED"
        if copy.is_frozen:
            return "PARTITION_MOVING"
        if self._clock_ns() >= self._deadline_ns:
            return "LEASE_EXPIRED"
        if in_sync and copy.in_sync_count < self._min_in_sync:
            return "TOO_FEW_COPIES"
        return None

    def write(self, partition: int, key: bytes, value: bytes | None) -> tuple[int, int]:
        """Apply a write that is not refused; return its version (epoch, sequence)."""
        copy = self._copies[partition]
        assert self.refusal(partition) is None
        copy.log.append(Operation(copy.epoch, key, value))
        copy.written_ns.append(self._clock_ns())
        return copy.epoch, copy.seq

    def is_replicated(self, partition: int, version: tuple[int, int]) -> bool | None:
        """Whether a write is acknowledged IN_SYNC now; None: it never will be, by this node.

        Fence and epoch count again, at the time of the answer.
        """
        copy = self._copies.get(partition)
        epoch, seq = version
        if copy is None or copy.role != "primary" or copy.epoch != epoch:
            return None
        if not self._is_started or self._clock_ns() >= self._deadline_ns:
            return None
        return not copy.is_frozen and copy.committed_seq >= seq

    def read(self, partition: int, key: bytes) -> bytes | None:
        """What a primary read finds. Only where a write is not refused."""
        return self._copies[partition].entries().get(key)

    def epoch(self, partition: int) -> int | None:
        """The epoch at which a partition is served here."""
        copy = self._copies.get(partition)
        return copy.epoch if copy is not None and copy.role == "primary" else None

    # The port.

    def start(self) -> str:
        assert not self._is_started
        self._is_started = True
        self.network.planes[self._settings.listen] = self
        return self._settings.listen

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        self._deadline_ns = deadline_boottime_ns

    def install_topology(self, topology: bytes) -> None:
        installed = pb.Topology.FromString(topology)
        if not installed.complete:
            raise ValueError("a topology must be complete to be installed")
        if installed.revision > self.topology.revision:
            self.topology = installed

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        self._check(partition)
        if partition in self._copies:
            raise ValueError(f"partition {partition} is open already: close it first")
        if epoch == 0:
            raise ValueError(f"partition {partition} cannot be open at epoch 0")
        self._copies[partition] = MemoryCopy(epoch, copy_id, "primary", required=())
        self._news.tell(partition)

    def follow_partition(
        self, partition: int, primary: str, address: str, epoch: int, copy_id: str
    ) -> None:
        self._check(partition)
        copy = self._copies.get(partition)
        if copy is None:
            copy = MemoryCopy(epoch, copy_id, "follower")
            self._copies[partition] = copy
        elif epoch < copy.epoch:
            raise ValueError(f"partition {partition} has had epoch {copy.epoch}, not {epoch}")
        elif copy.role == "primary":
            copy.become("follower", epoch, self._clock_ns())
        elif (copy.primary, copy.address, copy.epoch) == (primary, address, epoch):
            return
        copy.primary, copy.address, copy.epoch, copy.unacked = primary, address, epoch, True
        self._news.tell(partition)

    def promote_partition(self, partition: int, epoch: int) -> None:
        self._check(partition)
        copy = self._copies.get(partition)
        if copy is None or copy.role != "follower":
            raise ValueError(f"partition {partition} is not a whole follower here")
        if epoch <= copy.position_epoch or epoch < copy.epoch:
            raise ValueError(f"partition {partition} has had epoch {copy.epoch}, not {epoch}")
        copy.become("primary", epoch, self._clock_ns())
        self._news.tell(partition)

    def require_copies(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int:
        copy = self._served(partition)
        copy.required = tuple((node, copy_id) for node, copy_id in copies)
        copy.in_sync_count = in_sync_count
        return copy.seq

    def drain_partitions(
        self,
        copies: Sequence[tuple[int, str]],
        timeout_ms: int,  # noqa: ARG002
    ) -> list[bool]:
        return [self._is_drained(partition, copy_id) for partition, copy_id in copies]

    def _is_drained(self, partition: int, copy_id: str) -> bool:
        copy = self._copies.get(partition)
        if copy is None or copy.role != "primary":
            return False
        self.network.drain(self, partition, copy_id)
        return self.has_all(partition, copy_id)

    def replication(self, partitions: Sequence[int] | None = None) -> list[PartitionReplication]:
        asked = sorted(self._copies) if partitions is None else partitions
        return [
            PartitionReplication(
                partition=PartitionId(partition),
                role=copy.role,
                epoch=copy.epoch,
                seq=0 if copy.role == "restoring" else copy.seq,
                position_epoch=0 if copy.role == "restoring" else copy.position_epoch,
                copy_id=CopyId(copy.copy_id),
                followers=self._followers(copy),
                head_seq=copy.seq,
            )
            for partition in asked
            if (copy := self._copies.get(partition)) is not None
        ]

    def replication_news(self) -> int:
        return self._news.read()

    def take_replication_changed(self) -> list[int]:
        return self._news.take_changed()

    def replication_bell(self) -> int:
        return self._news.heard_at()

    def set_min_in_sync(self, copies: int) -> None:
        self._min_in_sync = copies

    def set_snapshot_rate(self, bytes_per_second: int) -> None:
        """Nothing is sent here."""

    def freeze_partition(self, partition: int) -> None:
        self._served(partition).is_frozen = True

    def thaw_partition(self, partition: int) -> None:
        self._check(partition)
        if partition in self._copies:
            self._copies[partition].is_frozen = False

    def close_partition(self, partition: int) -> None:
        self._check(partition)
        if self._copies.pop(partition, None) is not None:
            self._news.tell(partition)

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001
        self.is_ready = ready

    def set_eviction(self, eviction: str) -> None:
        if eviction not in _POLICIES:
            raise ValueError(f"there is no eviction policy {eviction}: take one of {_POLICIES}")
        self._eviction = eviction

    def set_tls(self, tls: DataPlaneTls) -> None:  # noqa: ARG002  nothing is encrypted here
        if self._settings.tls is None:
            raise ValueError("this node was started without TLS: start it anew")

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """What a data plane tells that has served nothing."""
        remaining_ns = max(0, self._deadline_ns - self._clock_ns())
        served = {p: copy for p, copy in sorted(self._copies.items()) if copy.role == "primary"}
        told = served.items() if partitions else ()
        return Snapshot(
            maxmemory_bytes=self._settings.maxmemory_bytes,
            open_partitions=len(served),
            lease_remaining_ms=remaining_ns // 1_000_000,
            eviction=self._eviction,
            partitions=tuple(PartitionUse(partition, copy.epoch) for partition, copy in told),
            slow=SlowLog(threshold_ns=self._settings.slow_request_ms * 1_000_000),
        )

    def stop(self, grace_ms: int) -> None:  # noqa: ARG002
        self._is_started = False
        if self.network.planes.get(self._settings.listen) is self:
            del self.network.planes[self._settings.listen]

    # What the network asks.

    def following(self) -> list[int]:
        return [p for p, copy in self._copies.items() if copy.role != "primary" and copy.address]

    def source_of(self, partition: int) -> str | None:
        copy = self._copies.get(partition)
        return None if copy is None or copy.role == "primary" else copy.address or None

    def copy_id(self, partition: int) -> str | None:
        copy = self._copies.get(partition)
        return None if copy is None else copy.copy_id

    def has_all(self, partition: int, copy_id: str) -> bool:
        """Whether that copy has acknowledged everything."""
        copy = self._copies.get(partition)
        if copy is None:
            return False
        acked = [it.acked_seq for (_, id_), it in copy.followers.items() if id_ == copy_id]
        return bool(acked) and max(acked) >= copy.seq

    def feed(self, partition: int, sink: MemoryDataPlane, operations: int) -> bool:
        """Take what the sink acknowledges, then give it more. Whether anything moved."""
        mine, theirs = self._copies.get(partition), sink._copies[partition]
        if mine is None or mine.role != "primary" or mine.epoch != theirs.epoch:
            return False
        name = (sink.node, theirs.copy_id)
        if not mine.continues(theirs):
            # It went another way: it drops what it has, and is another copy from here on.
            theirs.copy_id = self.network.draw(theirs.copy_id)
            theirs.log.clear()
            theirs.role, theirs.unacked = "restoring", False
            sink._news.tell(partition)
            return True
        moved = self._acknowledge(partition, mine, name, theirs)
        more = mine.log[theirs.seq : theirs.seq + operations]
        if more or theirs.role == "restoring":
            theirs.log += more
            theirs.unacked = True
            if theirs.role == "restoring" and theirs.seq == mine.seq:
                theirs.role = "follower"
                sink._news.tell(partition)
        return moved or bool(more)

    def _acknowledge(
        self, partition: int, mine: MemoryCopy, name: tuple[str, str], theirs: MemoryCopy
    ) -> bool:
        if theirs.role == "restoring":
            return False
        known = mine.followers.get(name)
        if known is not None and known.is_streaming and not theirs.unacked:
            return False
        for other in [it for it in mine.followers if it[0] == name[0] and it != name]:
            del mine.followers[other]
        was_behind = known is None or not known.is_streaming or known.acked_seq < mine.seq
        mine.followers[name] = Known(theirs.seq)
        theirs.unacked = False
        if known is None or not known.is_streaming or (was_behind and theirs.seq == mine.seq):
            self._news.tell(partition)
        return True

    def _followers(self, copy: MemoryCopy) -> tuple[Follower, ...]:
        now_ns = self._clock_ns()
        return tuple(
            Follower(
                NodeId(node),
                CopyId(copy_id),
                it.acked_seq,
                copy.lag_ms(it.acked_seq, now_ns),
                it.is_streaming,
            )
            for (node, copy_id), it in sorted(copy.followers.items())
        )

    def _served(self, partition: int) -> MemoryCopy:
        self._check(partition)
        copy = self._copies.get(partition)
        if copy is None or copy.role != "primary":
            raise ValueError(f"partition {partition} is not served here as primary")
        return copy

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self._settings.partition_count:
            raise ValueError(f"there is no partition {partition}")

    def _owner(self, partition: int) -> str:
        return next((it.primary for it in self.topology.partitions if it.id == partition), "")
