"""The data plane as a port: what the agent asks of it.

Two implementations: ``_bridge.DataPlane`` (Rust) and its twin in
``data_plane_memory`` for stories in tests. ``tests/node/
test_data_plane_conformance.py`` runs one suite on both.

The data plane decides nothing. It holds what must hold while Python is paused:
past the deadline, or for a partition that is frozen, closed or only followed, it
acknowledges no write and answers no primary read; and it acknowledges no IN_SYNC write
before every copy has it that ``require_copies`` named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shoal_node.data_plane import DataPlaneTls
from shoal_node.replication_status import PartitionReplication
from shoal_node.snapshot import Snapshot


class DataPlanePort(Protocol):
    """One node's gRPC server and engine. Every partition is closed at first."""

    def start(self) -> str:
        """Bind and serve; return HOST:PORT as bound. Raises OSError."""
        ...

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        """Refuse writes and primary reads past it. 0 fences at once. Any thread."""
        ...

    def install_topology(self, topology: bytes) -> None:
        """Take a serialized, complete Topology; an older revision is ignored."""
        ...

    def open_partition(self, partition: int, epoch: int, copy_id: str) -> None:
        """Serve it as primary, from empty. Raises ValueError if it is open or followed."""
        ...

    def follow_partition(
        self, partition: int, primary: str, address: str, epoch: int, copy_id: str
    ) -> None:
        """Be, or stay, a follower of this primary.

        Closed: opens an empty copy under ``copy_id``. Served as primary: demotes it and
        keeps data and copy id. Followed already: goes on from its position, under the
        new primary, address and epoch; nothing changes where they are the same. Raises
        ValueError for an epoch older than the one that it has.
        """
        ...

    def promote_partition(self, partition: int, epoch: int) -> None:
        """Serve what was followed as primary, with its data.

        Raises ValueError where that cannot be: it is not followed here, a snapshot is
        not whole, or the epoch is not newer than what it holds.
        """
        ...

    def require_copies(
        self, partition: int, copies: Sequence[tuple[str, str]], in_sync_count: int
    ) -> int:
        """An IN_SYNC write is answered once all these (node, copy id) have it.

        Without the own copy. ``in_sync_count``: copies in the record's in-sync set, the
        own one counted; with fewer than ``min_in_sync``, IN_SYNC writes are refused.
        Returns the newest sequence at that moment: what is written after it waits for
        these copies. Raises ValueError if this node does not serve it as primary.
        """
        ...

    def drain_partitions(self, copies: Sequence[tuple[int, str]], timeout_ms: int) -> list[bool]:
        """After ``freeze`` of them: whether each (partition, copy id) has acknowledged
        everything, in time.

        False for one that this node does not serve as primary. Blocks: call it off the
        event loop.
        """
        ...

    def replication(self, partitions: Sequence[int] | None = None) -> list[PartitionReplication]:
        """Every open partition's copy, ordered by partition; or of these, in their order.

        Any thread.
        """
        ...

    def replication_news(self) -> int:
        """Rises when a follower joins, catches up, falls behind or leaves, and when a
        copy changes its role or its id. Cheap, any thread."""
        ...

    def take_replication_changed(self) -> list[int]:
        """The partitions in which there was news since they were last taken, in order.

        Ask ``replication_news`` first: what it counted is among them. Any thread.
        """
        ...

    def replication_bell(self) -> int:
        """A descriptor that turns readable when ``replication_news`` rises.

        Once, however often they rise, until they are asked for; and at first, for what was
        before. Whoever hears it reads until it would block, what it reads says nothing, and
        then asks. Open for as long as the data plane is there. Raises OSError where there
        are no descriptors left.
        """
        ...

    def set_min_in_sync(self, copies: int) -> None:
        """Refuse IN_SYNC writes where fewer copies are in sync; 1 to begin with."""
        ...

    def set_snapshot_rate(self, bytes_per_second: int) -> None:
        """Bytes a second of snapshots that are sent, all together, and of those that are taken.

        0, as at first: no bound. Holds for those on their way, too.
        """
        ...

    def freeze_partition(self, partition: int) -> None:
        """Hold its requests back; return once none can still be acknowledged.

        Blocks for as long as running requests take: call it off the event loop.
        Raises ValueError if it is not open.
        """
        ...

    def thaw_partition(self, partition: int) -> None:
        """Let the requests that were held back go on."""
        ...

    def close_partition(self, partition: int) -> None:
        """Stop serving or following it and drop its data. Held requests follow the
        topology."""
        ...

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001
        """What the health service says of shoal.v1.Cache."""
        ...

    def set_eviction(self, eviction: str) -> None:
        """Evict by this policy from now on, and lose nothing by the change.

        Returns at once; what is there follows within moments. Raises ValueError for a
        name that is none of s3fifo, lru, lfu and none.
        """
        ...

    def set_tls(self, tls: DataPlaneTls) -> None:
        """Show this and trust these from the next connection on; those that stand live on.

        Raises ValueError, and changes nothing, where it cannot be used, or where the data
        plane was made without TLS.
        """
        ...

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """Everything that it knows of its own work, read once. Any thread.

        ``partitions`` left out makes it cheaper where there are many of them.
        """
        ...

    def stop(self, grace_ms: int) -> None:
        """Stop listening, let running requests end within the grace, and stop."""
        ...
