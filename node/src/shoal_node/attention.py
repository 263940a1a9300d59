"""Which partitions a turn looks at, so that it need not look at all of them: pure.

A partition is *at rest* when nothing is to be done about it, and will not be by the passing
of time alone. It is looked at again once something of it has changed: its record, what this
node does with it, what the data plane tells of its copies (``Local.changed``). All others
are looked at in every turn; and all of them together where something has changed that none
of them stands for: who is registered, the configuration, this node's own registration.

Invariant: a decision over what is looked at is the decision over everything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from operator import is_

from shoal_coordinator.registry.records import PartitionId
from shoal_coordinator.registry.view import ClusterView, HeldPartition
from shoal_node.holders import holder, is_wanted
from shoal_node.local import Local
from shoal_node.policy import Policy


@dataclass(slots=True)
class Attention:
    """What the last turn left unsettled, and what it saw beside partitions."""

    unsettled: set[PartitionId] = field(default_factory=set)
    _beside: tuple[object, ...] = ()

    def wanted(self, view: ClusterView, local: Local) -> set[PartitionId] | None:
        """Which to look at now, the caller's own; None: all. ``local.saw(view)`` comes first."""
        known, self._beside = self._beside, _beside_partitions(view, local)
        if not known or not all(map(is_, known, self._beside)):
            return None
        return self.unsettled | local.changed

    def turned(
        self,
        view: ClusterView,
        local: Local,
        looked_at: Collection[PartitionId] | None,
        now_ms: int,
        policy: Policy,
    ) -> None:
        """Once what was decided is begun: note what the next turn has to look at."""
        if looked_at is None:
            looked_at = {*view.partitions, *local.written, *local.serving, *local.following}
        self.unsettled = {it for it in looked_at if not is_at_rest(view, local, it, now_ms, policy)}


def _beside_partitions(view: ClusterView, local: Local) -> tuple[object, ...]:
    """Views share what did not change, so it is the very same object."""
    return (
        view.nodes,
        view.members,
        view.config,
        local.registration,
        local.stopping,
        local.fence_lifted,
        local.handing_on,
    )


def is_at_rest(
    view: ClusterView, local: Local, partition: PartitionId, now_ms: int, policy: Policy
) -> bool:
    """Whether nothing is to be done about a partition until something of it changes.

    What is vacant may be at rest: take-overs look at all that is. So may that of which a
    write is on its way: its end changes something.
    """
    held = view.partitions.get(partition)
    if held is None or local.retry_at_ms.get(partition, now_ms) > now_ms:
        return False
    epoch = local.serving.get(partition)
    if epoch is None:
        # What is this node's and not served is to be, or its copy is lost.
        return not local.owns(held)
    return (
        local.owns(held)
        and held.record.epoch == epoch
        and held.record.handoff_to is None
        and _are_copies_settled(view, local, held, now_ms, policy)
    )


def _are_copies_settled(
    view: ClusterView, local: Local, held: HeldPartition, now_ms: int, policy: Policy
) -> bool:
    """Whether those follow that are in sync, closely, and nobody else; and shall stay so."""
    partition = held.record.partition
    failed_ms = local.join_failed_ms.get(partition)
    if failed_ms is not None and now_ms < failed_ms + policy.join_pause_ms:
        return False
    told = local.observed.get(partition)
    if told is None or told.role != "primary":
        return False
    # Who is to join is not named yet.
    named = {copy.copy_id for copy in held.record.in_sync}
    if any(it.is_streaming and it.copy_id not in named for it in told.followers):
        return False
    for copy in held.record.in_sync:
        if copy == held.record.primary:
            continue
        follower = local.follower(partition, copy)
        if follower is None or not follower.is_streaming or follower.lag_ms > policy.near_ms:
            return False
        live = holder(view, copy)
        if live is None:
            return False
        if live.registration.leaving and copy.node not in local.handing_on:
            return False
        # Where it is not wanted it leaves in its turn: few do at a time.
        if not is_wanted(view, held.record, copy.node):
            return False
    return True
