"""May partitions move now? A pure decision of policy, health and the time of day.

Failovers need no permission, and repairs (a copy more where one is lacking) go before
moves: while partitions lack copies, no move begins.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from shoal_coordinator.registry.records import (
    MINUTES_A_DAY,
    NodeId,
    PartitionId,
    RebalanceMode,
    RebalancePolicy,
)
from shoal_coordinator.registry.view import ClusterView


class Verdict(Enum):
    """What becomes of moves."""

    BEGIN = "moves begin"
    HOLD = "no move begins, those under way end"
    TAKE_BACK = "no move begins, those under way are taken back"


@dataclass(frozen=True, slots=True)
class Permission:
    """``why`` is a sentence where the verdict is not BEGIN."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """``below``: partitions with fewer copies in sync on live nodes than are wanted."""

    below: frozenset[PartitionId]
    lost: tuple[NodeId, ...]
    """Members that take partitions and are down, ordered."""


def health_of(view: ClusterView, below: frozenset[PartitionId]) -> Health:
    """``below``: as in ``Health``."""
    lost = sorted(
        member.id
        for member in view.members.values()
        if member.takes_a_share and member.id not in view.nodes
    )
    return Health(below, tuple(lost))


def members_mark(view: ClusterView) -> str:
    """Names the members that take a share, with their weights and zones; others, other name."""
    takers = sorted(
        (member.id, member.weight, member.zone)
        for member in view.members.values()
        if member.takes_a_share
    )
    return hashlib.blake2b(repr(takers).encode(), digest_size=8).hexdigest()


def is_cancelled(policy: RebalancePolicy, view: ClusterView) -> bool:
    """Whether it is, for these very members (``members_mark``)."""
    return policy.mode is RebalanceMode.CANCELLED and (
        not policy.cancelled_for or policy.cancelled_for == members_mark(view)
    )


def permission(
    policy: RebalancePolicy, health: Health, utc_minute: int, *, cancelled: bool
) -> Permission:
    """``utc_minute``: of the day, 0 to 1439. ``cancelled``: by ``is_cancelled``."""
    if cancelled:
        return Permission(Verdict.TAKE_BACK, "the rebalance is cancelled")
    if policy.abort_on_lost_node and health.lost:
        return Permission(Verdict.TAKE_BACK, f"node {health.lost[0]} is down")
    if policy.mode is RebalanceMode.PAUSED:
        return Permission(Verdict.HOLD, "the rebalance is paused")
    if len(health.below) > policy.below_max:
        return Permission(Verdict.HOLD, f"{len(health.below)} partitions have too few copies")
    if not is_open(policy, utc_minute):
        return Permission(Verdict.HOLD, "it is not the time of day for moves")
    return Permission(Verdict.BEGIN)


def is_open(policy: RebalancePolicy, utc_minute: int) -> bool:
    """Whether the window is open; it may go past midnight."""
    assert 0 <= utc_minute < MINUTES_A_DAY
    if policy.window_minutes == 0:
        return True
    return (utc_minute - policy.window_from_minute) % MINUTES_A_DAY < policy.window_minutes
