"""The data plane as a port: what the agent asks of it.

Two implementations: ``_bridge.DataPlane`` (Rust) and its twin in
``data_plane_memory`` for tests and simulation. ``tests/node/
test_data_plane_conformance.py`` runs one suite on both.

The data plane decides nothing. It holds what must hold while Python is paused:
past the deadline, or for a partition that is frozen or closed, it acknowledges
no write and answers no primary read.
"""

from __future__ import annotations

from typing import Protocol

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

    def open_partition(self, partition: int, epoch: int) -> None:
        """Serve it as primary, from empty. Raises ValueError if it is open."""
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
        """Stop serving it and drop its data. Held requests follow the topology."""
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

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """Everything that it knows of its own work, read once. Any thread.

        ``partitions`` left out makes it cheaper where there are many of them.
        """
        ...

    def stop(self, grace_ms: int) -> None:
        """Stop listening, let running requests end within the grace, and stop."""
        ...
