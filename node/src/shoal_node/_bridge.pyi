"""The data plane, as Python sees it. Implemented in Rust under ``node/bridge``.

Every call returns at once or within its stated bound, and holds the GIL only to
convert arguments. Nothing here decides anything.
"""

from collections.abc import Sequence
from typing import final

from shoal_node.data_plane import DataPlaneSettings, DataPlaneTls
from shoal_node.replication_status import PartitionReplication
from shoal_node.snapshot import Snapshot

def boottime_ns() -> int:
    """CLOCK_BOOTTIME: monotonic, and counts the time that the machine is suspended."""

@final
class DataPlane:
    """gRPC server and engine of one node. All partitions are closed at first."""

    def __init__(self, settings: DataPlaneSettings) -> None: ...
    def start(self) -> str:
        """Bind and serve; return HOST:PORT as bound. Raises OSError when it cannot bind."""

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        """Past it every write and primary read is refused. 0 fences at once."""

    def set_access(
        self,
        roles: Sequence[tuple[Sequence[str], Sequence[bytes]]],
        tokens: Sequence[tuple[bytes, Sequence[int]]],
        identities: Sequence[tuple[str, Sequence[int]]],
    ) -> None:
        """Allow what these roles do and nothing else. Raises ValueError for a wrong place."""

    def set_peer_token(self, token: str | None) -> None:
        """Show this to other nodes. Raises ValueError where it cannot travel."""

    def install_topology(self, topology: bytes) -> None:
        """Take a serialized, complete shoal.v1.Topology; an older revision is ignored."""

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        """Serve as primary under this epoch, starting empty. Raises ValueError if open."""

    def follow_partition(
        self, partition: int, primary: str, address: str, epoch: int, copy_id: str
    ) -> None:
        """Be, or stay, a follower of this primary. What was served is demoted."""

    def promote_partition(self, partition: int, epoch: int) -> None:
        """Serve what was followed, with its data. Raises ValueError if it cannot."""

    def require_copies(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int:
        """Let IN_SYNC writes wait for these (node, copy id); return the newest sequence."""

    def drain_partitions(self, copies: Sequence[tuple[int, str]], timeout_ms: int) -> list[bool]:
        """Wait until each (partition, copy id) has acknowledged everything; False for one
        that took too long, or is not served here."""

    def replication(self, partitions: Sequence[int] | None = None) -> list[PartitionReplication]:
        """Every open partition's copy, ordered by partition; or of these, in their order."""

    def replication_news(self) -> int:
        """Rises when followers or the own copies change. Cheap."""

    def take_replication_changed(self) -> list[int]:
        """The partitions in which there was news since they were last taken, in order."""

    def replication_bell(self) -> int:
        """A descriptor, readable when the news rise. Raises OSError where none is left."""

    def set_min_in_sync(self, copies: int) -> None:
        """Refuse IN_SYNC writes where fewer copies are in sync."""

    def set_snapshot_rate(self, bytes_per_second: int) -> None:
        """Send and take snapshots no faster than this; 0: no bound."""

    def freeze_partition(self, partition: int) -> None:
        """Let requests for it wait (bounded) until it is thawed or closed.

        Returns once no request for it is between its evaluation and its answer.
        """

    def thaw_partition(self, partition: int) -> None: ...
    def close_partition(self, partition: int) -> None:
        """Stop serving and drop the data. Waiting requests follow the topology."""

    def set_ready(self, ready: bool) -> None:
        """What the health service says of shoal.v1.Cache."""

    def set_eviction(self, eviction: str) -> None:
        """Evict by this policy from now on. Raises ValueError for a name that is none."""

    def set_tls(self, tls: DataPlaneTls) -> None:
        """Show this and trust these from the next connection on. Raises ValueError where it
        cannot be used, or where the data plane was made without TLS."""

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """Everything that it knows of its own work, read once; or all but each partition's."""

    def stop(self, grace_ms: int) -> None:
        """Take no more connections, let running requests end within the grace, and stop."""

@final
class SimulatedMessage:
    """One message of a stream between nodes."""

@final
class SimulatedCopies:
    """One node's copies and streams for ``tests/simulation``: no server, and no clock."""

    def __init__(
        self, node: str, partition_count: int, log_bytes: int, *, keeps_ids: bool = False
    ) -> None: ...
    def open(self, partition: int, epoch: int, copy_id: str) -> None: ...
    def follow(self, partition: int, primary: str, epoch: int, copy_id: str) -> None: ...
    def promote(self, partition: int, epoch: int) -> None: ...
    def close(self, partition: int) -> None: ...
    def require(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int: ...
    def set_min_in_sync(self, copies: int) -> None: ...
    def status(self, now_ms: int) -> list[PartitionReplication]: ...
    def news(self) -> int: ...
    def take_changed(self) -> list[int]: ...
    def tend(self, now_ms: int) -> None: ...
    def role(self, partition: int) -> str | None: ...
    def copy_id(self, partition: int) -> str | None: ...
    def position(self, partition: int) -> tuple[int, int]: ...
    def committed(self, partition: int) -> int: ...
    def acked(self, partition: int, copy_id: str) -> int | None: ...
    def confirmed(self, partition: int) -> int | None: ...
    def set(
        self,
        partition: int,
        key: bytes,
        value: bytes,
        now_ms: int,
        *,
        in_sync: bool,
        request: bytes | None = None,
        version: tuple[int, int] | None = None,
    ) -> tuple[int, int] | None:
        """(epoch, sequence); None: not applied. ``version`` (0, 0): only where nothing is."""

    def delete(
        self, partition: int, key: bytes, now_ms: int, *, in_sync: bool
    ) -> tuple[int, int] | None: ...
    def incr(
        self,
        partition: int,
        key: bytes,
        now_ms: int,
        *,
        in_sync: bool,
        request: bytes | None = None,
    ) -> tuple[tuple[int, int], int, bool] | None:
        """(version, value, whether it was answered before)."""

    def find(
        self, partition: int, key: bytes, now_ms: int
    ) -> tuple[bytes, tuple[int, int]] | None: ...
    def blocks_read(self, partition: int, key: bytes) -> int:
        """Until which sequence a primary's read of this key waits; 0: it does not."""

    def leads(self) -> list[str]: ...
    def connected(self, primary: str) -> None: ...
    def accept(self, follower: str) -> None: ...
    def hang_up(self, follower: str) -> None: ...
    def next_of_follower(self, primary: str, now_ms: int) -> tuple[list[SimulatedMessage], int]: ...
    def next_of_primary(self, follower: str, now_ms: int) -> tuple[list[SimulatedMessage], int]: ...
    def take(self, peer: str, message: SimulatedMessage, now_ms: int) -> None: ...
