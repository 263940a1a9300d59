"""Which partitions begin to move, and which are taken back: pure.

A record whose new order asks for no copy that is not there is written at once. What asks
for one is a move, or a repair if copies are lacking. Repairs go first, and as many at a
time as the policy says; moves begin only where ``permission`` lets them, within the
policy's limits, to nodes that have been up for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shoal_coordinator.planning.actions import UpdatePreference
from shoal_coordinator.planning.dues import Dues
from shoal_coordinator.planning.flights import Budget
from shoal_coordinator.planning.permission import (
    Health,
    Permission,
    Verdict,
    health_of,
    is_cancelled,
    permission,
)
from shoal_coordinator.registry.records import RebalancePolicy
from shoal_coordinator.registry.view import ClusterView


@dataclass(frozen=True, slots=True)
class Traffic:
    """What moves, and what may."""

    policy: RebalancePolicy
    dues: Dues
    health: Health
    permission: Permission

    @classmethod
    def of(cls, view: ClusterView, dues: Dues, policy: RebalancePolicy, utc_minute: int) -> Traffic:
        """``dues``: those of this very view."""
        health = health_of(view, dues.below)
        cancelled = is_cancelled(policy, view)
        return cls(
            policy, dues, health, permission(policy, health, utc_minute, cancelled=cancelled)
        )

    def budget(self, view: ClusterView) -> Budget:
        zone_of = {member.id: member.zone for member in view.members.values()}
        return Budget(self.policy, zone_of, self.dues.flights.values())


def taken_back(view: ClusterView, traffic: Traffic) -> Iterator[UpdatePreference]:
    """Records of moves under way, as they were before: wanted where copies are in sync."""
    if traffic.permission.verdict is not Verdict.TAKE_BACK:
        return
    for partition, flight in traffic.dues.flights.items():
        held = view.partitions[partition]
        record = held.record
        copies = 1 + len(record.replicas)
        there = traffic.dues.there_of[partition]
        assert record.primary is not None
        if flight.is_repair or record.primary.node not in there or len(there) < copies:
            continue
        order = (record.primary.node, *(copy.node for copy in record.in_sync))
        keep = [node for node in dict.fromkeys(order) if node in there][:copies]
        rest = [node for node in record.preference if node not in keep]
        preference = (*keep, *rest)[: max(len(record.preference), copies)]
        if preference != record.preference:
            yield UpdatePreference(held, preference, preference[1:copies])
