"""The data plane as a port: what the agent asks of it.

Two implementations: ``_bridge.DataPlane`` (Rust) and its twin in
``data_plane_memory`` for tests and simulation. ``tests/node/
test_data_plane_conformance.py`` runs one suite on both.

The data plane decides nothing. It holds what must hold while Python is paused:
past the deadline, or for a partition that is frozen or closed, it acknowledges
no write and answers no primary read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class DataPlaneCounters(Protocol):
    """Counters since the start, and gauges as they are now."""

    @property
    def requests(self) -> Mapping[str, int]: ...
    @property
    def failures(self) -> Mapping[str, int]: ...
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def evicted(self) -> int: ...
    @property
    def expired(self) -> int: ...
    @property
    def forwarded(self) -> int: ...
    @property
    def moved(self) -> int: ...
    @property
    def connections(self) -> int: ...
    @property
    def entries(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def maxmemory_bytes(self) -> int: ...
    @property
    def open_partitions(self) -> int: ...
    @property
    def lease_remaining_ms(self) -> int: ...


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

    def stats(self) -> DataPlaneCounters: ...

    def stop(self, grace_ms: int) -> None:
        """Stop listening, let running requests end within the grace, and stop."""
        ...
