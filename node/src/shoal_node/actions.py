"""What a node can decide to do. Each action renders one sentence.

The sentence is what is logged and what tests assert. An action holds all that
carrying it out needs; it holds no callables and knows no ports.
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import Epoch, Eviction, NodeId, PartitionId
from shoal_coordinator.registry.view import HeldPartition, LiveNode


@dataclass(frozen=True, slots=True)
class OpenPartition:
    """Serve a partition that its record gives to this incarnation, from empty."""

    partition: PartitionId
    epoch: Epoch

    def __str__(self) -> str:
        return f"open partition {self.partition} at epoch {self.epoch}, empty"


@dataclass(frozen=True, slots=True)
class ClosePartition:
    """Stop serving a partition and drop its data."""

    partition: PartitionId
    why: str

    def __str__(self) -> str:
        return f"close partition {self.partition}: {self.why}"


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
class TakeOver:
    """Become primary of a vacant partition, empty, by compare-and-swap."""

    held: HeldPartition
    own: LiveNode
    previous: LiveNode | None
    """The key under the old primary's id as the view shows it: another incarnation."""
    why: str

    @property
    def partition(self) -> PartitionId:
        return self.held.record.partition

    def __str__(self) -> str:
        return (
            f"take over partition {self.partition} at epoch {self.held.record.epoch + 1}: "
            f"{self.why}"
        )


@dataclass(frozen=True, slots=True)
class HandOver:
    """Make another node primary of a partition that this node serves."""

    held: HeldPartition
    own: LiveNode
    target: LiveNode
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
    OpenPartition | ClosePartition | ThawPartition | InstallTopology | SetEviction | LiftFence
)
"""Done at once, in this node's own data plane."""

Action = OwnAction | Rejoin | TakeOver | HandOver | LookAgain
