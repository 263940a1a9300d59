"""What a node can decide to do. Each action renders one sentence.

The sentence is what is logged and what tests assert. An action holds all that
carrying it out needs; it holds no callables and knows no ports.
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    Eviction,
    NodeId,
    PartitionId,
    PartitionRecord,
)
from shoal_coordinator.registry.view import HeldPartition, LiveNode


@dataclass(frozen=True, slots=True)
class OpenPartition:
    """Serve a partition that its record gives to this incarnation, from empty."""

    partition: PartitionId
    epoch: Epoch
    copy_id: CopyId

    def __str__(self) -> str:
        return f"open partition {self.partition} at epoch {self.epoch}, empty"


@dataclass(frozen=True, slots=True)
class PromotePartition:
    """Serve a partition with the data that this node's copy of it has."""

    partition: PartitionId
    epoch: Epoch

    def __str__(self) -> str:
        return f"serve partition {self.partition} at epoch {self.epoch}, with its data"


@dataclass(frozen=True, slots=True)
class FollowPartition:
    """Hold a copy of what another node serves, in place of whatever is held now.

    An empty ``address``: the primary is gone, and the copy is only kept.
    """

    partition: PartitionId
    epoch: Epoch
    primary: NodeId
    address: str

    def __str__(self) -> str:
        if not self.address:
            return (
                f"keep the copy of partition {self.partition}: its primary {self.primary} is gone"
            )
        return f"follow {self.primary} for partition {self.partition} at epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class ClosePartition:
    """Stop serving or following a partition and drop its data."""

    partition: PartitionId
    why: str

    def __str__(self) -> str:
        return f"close partition {self.partition}: {self.why}"


@dataclass(frozen=True, slots=True)
class RequireCopies:
    """Let IN_SYNC writes of a partition wait for these copies, besides the own one.

    ``joining``: the copy among them that the record does not name yet.
    """

    partition: PartitionId
    copies: tuple[Copy, ...]
    in_sync_count: int
    joining: Copy | None = None

    def __str__(self) -> str:
        names = ", ".join(copy.node for copy in self.copies) or "nobody else"
        return f"partition {self.partition} now waits for {names} to acknowledge"


@dataclass(frozen=True, slots=True)
class ThawPartition:
    """Serve a frozen partition again: its hand-over came to nothing, for certain."""

    partition: PartitionId

    def __str__(self) -> str:
        return f"thaw partition {self.partition}: its record still gives it to this node"


@dataclass(frozen=True, slots=True)
class InstallTopology:
    """Tell the data plane, and through it clients, who owns what."""

    revision: Revision

    def __str__(self) -> str:
        return f"install topology of revision {self.revision}"


@dataclass(frozen=True, slots=True)
class SetEviction:
    """Let the data plane have the eviction policy that the cluster's configuration names."""

    eviction: Eviction

    def __str__(self) -> str:
        return f"evict by {self.eviction} from now on: the cluster's configuration says so"


@dataclass(frozen=True, slots=True)
class SetMinInSync:
    """Let the data plane refuse IN_SYNC writes while fewer copies are in sync."""

    copies: int

    def __str__(self) -> str:
        return f"refuse IN_SYNC writes below {self.copies} copies in sync"


@dataclass(frozen=True, slots=True)
class SetSnapshotRate:
    """Let the data plane send snapshots as fast as the cluster's configuration says."""

    bytes_per_second: int
    """0: no bound."""

    def __str__(self) -> str:
        if self.bytes_per_second == 0:
            return "send snapshots without a bound"
        return f"send snapshots at {self.bytes_per_second} bytes a second at most"


@dataclass(frozen=True, slots=True)
class LiftFence:
    """Let the data plane have the deadline of the lease that this node now holds."""

    revision: Revision

    def __str__(self) -> str:
        return f"lift the fence: revision {self.revision} shows this node and what it owns"


@dataclass(frozen=True, slots=True)
class Rejoin:
    """The registration is gone although its lease seemed alive: register again."""

    why: str

    def __str__(self) -> str:
        return f"register again: {self.why}"


@dataclass(frozen=True, slots=True)
class AskPositions:
    """Ask another node how far its copies of vacant partitions are."""

    peer: LiveNode
    partitions: tuple[PartitionId, ...]

    def __str__(self) -> str:
        return (
            f"ask {self.peer.registration.id} how far its copies of "
            f"{len(self.partitions)} vacant partitions are"
        )


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Become primary of a vacant partition, by compare-and-swap.

    With the data of the copy that is held here as ``copy_id``, or empty where that is
    None. ``others`` stay in sync beside it.
    """

    held: HeldPartition
    own: LiveNode
    previous: LiveNode | None
    """The key under the old primary's id as the view shows it: another incarnation."""
    copy_id: CopyId | None
    others: tuple[Copy, ...]
    why: str
    gone: tuple[tuple[NodeId, LiveNode | None], ...] = ()
    """Nodes whose copies in sync count as lost, and who stands under their ids."""

    @property
    def partition(self) -> PartitionId:
        return self.held.record.partition

    def __str__(self) -> str:
        how = "empty" if self.copy_id is None else "with its data"
        return (
            f"take over partition {self.partition} at epoch {self.held.record.epoch + 1}, {how}: "
            f"{self.why}"
        )


@dataclass(frozen=True, slots=True)
class ChangeAsPrimary:
    """Write who is in sync, or who is next, of a partition that this node serves."""

    held: HeldPartition
    own: LiveNode
    record: PartitionRecord
    why: str

    @property
    def partition(self) -> PartitionId:
        return self.record.partition

    def __str__(self) -> str:
        return f"partition {self.partition}: {self.why}"


@dataclass(frozen=True, slots=True)
class HandOver:
    """Make another node's copy primary of a partition that its record gives to this one."""

    held: HeldPartition
    own: LiveNode
    target: LiveNode
    copy: Copy
    """The target's, which is in sync."""
    others: tuple[Copy, ...]
    """Who stays in sync beside it."""
    why: str

    @property
    def partition(self) -> PartitionId:
        return self.held.record.partition

    @property
    def to(self) -> NodeId:
        return self.target.registration.id

    def __str__(self) -> str:
        return (
            f"hand partition {self.partition} over to {self.to} "
            f"at epoch {self.held.record.epoch + 1}: {self.why}"
        )


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Nothing to do before this time, although nothing may happen until then."""

    at_ms: int
    why: str

    def __str__(self) -> str:
        return f"look again at {self.at_ms} ms: {self.why}"


OwnAction = (
    OpenPartition
    | PromotePartition
    | FollowPartition
    | ClosePartition
    | RequireCopies
    | ThawPartition
    | InstallTopology
    | SetEviction
    | SetMinInSync
    | SetSnapshotRate
    | LiftFence
)
"""Done at once, in this node's own data plane."""

Action = OwnAction | Rejoin | AskPositions | TakeOver | ChangeAsPrimary | HandOver | LookAgain
