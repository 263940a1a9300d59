"""The data plane, as Python sees it. Implemented in Rust under ``node/bridge``.

Every call returns at once or within its stated bound, and holds the GIL only to
convert arguments. Nothing here decides anything.
"""

from typing import final

from shoal_node.data_plane import DataPlaneSettings
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

    def set_eviction(self, eviction: str) -> None:
        """Evict by this policy from now on. Raises ValueError for a name that is none."""

    def snapshot(self, *, partitions: bool = True) -> Snapshot:
        """Everything that it knows of its own work, read once; or all but each partition's."""

    def stop(self, grace_ms: int) -> None:
        """Take no more connections, let running requests end within the grace, and stop."""
