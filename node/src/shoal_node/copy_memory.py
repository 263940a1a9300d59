"""One copy of a partition in memory: a list of operations, and what its primary knows.

The data model of the data plane's twin, as simple as it can be: an operation is an
epoch with what was done; the sequence is its place in the list, from 1; a position is
the last one's epoch and sequence. Two copies that agree about a position agree about
everything before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shoal_node.replication_status import CopyRole


@dataclass(frozen=True, slots=True)
class Operation:
    """``value`` None: a delete."""

    epoch: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Known:
    """What a primary knows of another node's copy."""

    acked_seq: int
    is_streaming: bool = True


@dataclass(slots=True)
class MemoryCopy:
    """One node's copy. The second half of its fields counts in one role only."""

    epoch: int
    copy_id: str
    role: CopyRole
    log: list[Operation] = field(default_factory=list)
    # Of a primary.
    is_frozen: bool = False
    required: tuple[tuple[str, str], ...] | None = None
    """None: nobody has said yet, so nothing counts as replicated."""
    in_sync_count: int = 1
    promoted_at: int = 0
    written_ns: list[int] = field(default_factory=list)
    """When each operation was written."""
    followers: dict[tuple[str, str], Known] = field(default_factory=dict)
    # Of a follower.
    primary: str = ""
    address: str = ""
    unacked: bool = True
    """It has something to acknowledge."""

    @property
    def seq(self) -> int:
        return len(self.log)

    @property
    def position_epoch(self) -> int:
        return self.log[-1].epoch if self.log else 0

    @property
    def committed_seq(self) -> int:
        """Every required copy has acknowledged everything up to here."""
        if self.required is None:
            return 0
        acked = [
            known.acked_seq if (known := self.followers.get(copy)) is not None else 0
            for copy in self.required
        ]
        return min(acked, default=self.seq)

    def entries(self) -> dict[bytes, bytes]:
        """What a reader would find."""
        found: dict[bytes, bytes] = {}
        for operation in self.log:
            if operation.value is None:
                found.pop(operation.key, None)
            else:
                found[operation.key] = operation.value
        return found

    def lag_ms(self, acked_seq: int, now_ns: int) -> int:
        """Age of the oldest operation past ``acked_seq``."""
        if acked_seq >= self.seq:
            return 0
        return (now_ns - self.written_ns[acked_seq]) // 1_000_000

    def continues(self, other: MemoryCopy) -> bool:
        """Whether this copy's log goes on from where the other one's ends."""
        at = other.seq
        return at == 0 or (at <= self.seq and self.log[at - 1].epoch == other.position_epoch)

    def become(self, role: Literal["primary", "follower"], epoch: int, now_ns: int) -> None:
        """Change the role and keep the data."""
        self.role, self.epoch = role, epoch
        self.is_frozen, self.required, self.in_sync_count = False, None, 1
        self.followers.clear()
        self.promoted_at = self.seq
        self.written_ns = [now_ns] * self.seq
