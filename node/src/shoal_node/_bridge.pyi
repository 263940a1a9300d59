"""The data plane, as Python sees it. Implemented in Rust under ``node/bridge``.

Every call returns at once or within its stated bound, and holds the GIL only to
convert arguments. Nothing here decides anything.
"""

from typing import final

from shoal_node.data_plane import DataPlaneSettings

def boottime_ns() -> int:
    """CLOCK_BOOTTIME: monotonic, and counts the time that the machine is suspended."""

@final
class DataPlaneStats:
    """Counters since the start, and gauges as they are now. Times in ms, memory in bytes."""

    requests: dict[str, int]
    """By RPC method, whatever its outcome."""
    failures: dict[str, int]
    """By reason (docs/reasons.md)."""
    hits: int
    misses: int
    evicted: int
    expired: int
    forwarded: int
    moved: int
    connections: int
    entries: int
    memory_bytes: int
    """Every byte the engine counts, not only values."""
    maxmemory_bytes: int
    open_partitions: int
    lease_remaining_ms: int
    """Until the engine fences itself; 0 when it has."""

@final
class DataPlane:
    """gRPC server and engine of one node. All partitions are closed at first."""

    def __init__(self, settings: DataPlaneSettings) -> None: ...
    def start(self) -> str:
        """Bind and serve; return HOST:PORT as bound. Raises OSError when it cannot bind."""

    def set_lease_deadline(self, deadline_boottime_ns: int) -> None:
        """Past it every write and primary read is refused. 0 fences at once."""

    def install_topology(self, topology: bytes) -> None:
        """Take a serialized, complete shoal.v1.Topology; an older revision is ignored."""

    def open_partition(self, partition: int, epoch: int) -> None:
        """Serve as primary under this epoch, starting empty. Raises ValueError if open."""

    def freeze_partition(self, partition: int) -> None:
        """Let requests for it wait (bounded) until it is thawed or closed.

        Returns once no request for it is between its evaluation and its answer.
        """

    def thaw_partition(self, partition: int) -> None: ...
    def close_partition(self, partition: int) -> None:
        """Stop serving and drop the data. Waiting requests follow the topology."""

    def set_ready(self, ready: bool) -> None:
        """What the health service says of shoal.v1.Cache."""

    def stats(self) -> DataPlaneStats: ...
    def stop(self, grace_ms: int) -> None:
        """Take no more connections, let running requests end within the grace, and stop."""
