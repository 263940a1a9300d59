"""What a data plane tells of the replication of one partition.

The Rust data plane makes these very classes (``node/bridge/src/replication.rs`` names
the same fields), and so does its twin in memory.

A *position* is (epoch, sequence) of the last numbered operation that a copy has
applied; (0, 0) is nothing. The *head* is the newest sequence of the primary.

Named tuples, because a node reads all of its copies, often hundreds, four times a second:
they are made in a third of the time that frozen dataclasses take.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from shoal_coordinator.registry.records import CopyId, NodeId, PartitionId

CopyRole = Literal["primary", "follower", "restoring"]
"""A copy that is restoring takes a snapshot: it has position (0, 0) and serves nothing."""


class Follower(NamedTuple):
    """Another node's copy of a partition, as its primary knows it."""

    node: NodeId
    copy_id: CopyId
    acked_seq: int
    """It has acknowledged everything up to this one."""
    lag_ms: int
    """Age of the oldest record that it has not acknowledged; 0 where there is none."""
    is_streaming: bool
    """A stream stands on which it follows."""


class PartitionReplication(NamedTuple):
    """This node's copy of one partition that is open here."""

    partition: PartitionId
    role: CopyRole
    epoch: int
    """Under which it is served, or that it follows."""
    seq: int
    """The position's sequence."""
    position_epoch: int
    copy_id: CopyId
    """A new one whenever the copy begins from nothing, so that it may change by itself
    in a follower that takes a snapshot."""
    followers: tuple[Follower, ...] = ()
    """Of a primary, ordered by node."""
    head_seq: int = 0
    """Of a primary; a follower tells its own sequence."""
