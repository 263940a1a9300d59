"""What a node does next: a pure function of what it sees, what it is, and the time.

The rules are in ``roles`` (what is served, followed and closed), ``in_sync`` (which
copies a write waits for), ``giving`` (hand-overs) and ``taking`` (take-overs). The data
plane is told what the cluster's configuration says of it.

Order within one answer matters, and is the order of carrying out: what is lost stops
to be served before the topology names another, and what is won is served before it
names this node; the fence is lifted only after everything is given up that this node
lost while it was without a lease.

What new records ask of this node's own copies does not wait for a whole decision:
``at_once`` is that part of it.

Non-goal: what is in etcd when an action runs. Every write compares it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from shoal_coordinator.registry.records import ClusterConfig, PartitionId
from shoal_coordinator.registry.view import ClusterView, LiveNode
from shoal_node.actions import (
    Action,
    InstallTopology,
    LiftFence,
    LookAgain,
    OwnAction,
    Rejoin,
    SetEviction,
    SetMinInSync,
    SetSnapshotRate,
    ThawPartition,
)
from shoal_node.giving import hand_overs
from shoal_node.in_sync import changes
from shoal_node.local import Local
from shoal_node.policy import Policy
from shoal_node.roles import followings, leavings, servings, unlike
from shoal_node.taking import take_overs


def at_once(
    view: ClusterView, local: Local, partitions: Collection[PartitionId]
) -> tuple[OwnAction, ...]:
    """What these partitions' new records ask of this node's copies: a part of ``decide``.

    It is little work, and somebody waits for it; the rest can wait for the next turn.
    """
    if view.config is None:
        return ()
    unsettled = unlike(view, local, partitions)
    if not unsettled:
        return ()
    own = standing(view, local)
    left = leavings(view, local, unsettled).before
    closed = {action.partition for action in left}
    actions: list[OwnAction] = [*left]
    if own is not None:
        actions += servings(view, local, unsettled)
    may_follow = own is not None and view.has_weight(local.node) and not local.stopping
    for follow in followings(view, local, unsettled, may_begin=may_follow):
        if follow.partition not in closed:
            actions.append(follow)
    return tuple(actions)


def decide(
    view: ClusterView,
    local: Local,
    now_ms: int,
    policy: Policy,
    only: Collection[PartitionId] | None = None,
) -> tuple[Action, ...]:
    """What to do now, in this order. ``local.saw(view, now_ms)`` comes first.

    ``only``: nothing is to be done about other partitions (``attention``), so that they need
    not be looked at. The decision is the same.
    """
    if view.config is None:
        return ()
    unsettled = unlike(view, local, only)
    left = leavings(view, local, unsettled)
    own = standing(view, local)
    actions: list[Action] = [*left.before]
    actions += _settings(view.config, local)
    if own is not None:
        actions += servings(view, local, unsettled)
    if view.revision > local.installed:
        actions.append(InstallTopology(view.revision))
    actions += left.after
    may_follow = own is not None and view.has_weight(local.node) and not local.stopping
    closed = {action.partition for action in left.before}
    for follow in followings(view, local, unsettled, may_begin=may_follow):
        if follow.partition not in closed:
            actions.append(follow)
    if own is None:
        return (*actions, *_rejoin(view, local))
    if local.frozen:
        actions += _thaws(view, local)
    if not local.fence_lifted:
        actions.append(LiftFence(view.revision))
    # Somebody waits for what is vacant; the rest can wait for that.
    actions += take_overs(view, local, own, now_ms, policy, unsettled)
    if local.serving:
        actions += _as_primary(view, local, own, now_ms, policy, closed, only)
    return tuple(actions)


def _as_primary(
    view: ClusterView,
    local: Local,
    own: LiveNode,
    now_ms: int,
    policy: Policy,
    closed: set[PartitionId],
    only: Collection[PartitionId] | None,
) -> Iterator[Action]:
    """Hand-overs, and changes of who is in sync: one write of a record at a time."""
    if only is not None and not local.stopping and local.serving.keys().isdisjoint(only):
        return
    begun = set(closed)
    for step in chain(
        hand_overs(view, local, own, now_ms, policy, only),
        changes(view, local, own, now_ms, policy, only),
    ):
        if isinstance(step, LookAgain):
            yield step
        elif step.partition not in begun:
            begun.add(step.partition)
            yield step


def standing(view: ClusterView, local: Local) -> LiveNode | None:
    """This node's registration, if the view shows the very key that this node wrote.

    From that revision on nobody can have taken from this incarnation what the view
    gives it: a take-over compares that this key is absent, and it has stood since.
    """
    own = view.nodes.get(local.node)
    if own is None or local.registration is None:
        return None
    return own if own.create_revision == local.registration.create_revision else None


def is_ready(
    view: ClusterView,
    local: Local,
    *,
    lease_stands: bool,
    only: Collection[PartitionId] | None = None,
) -> bool:
    """Whether this node can be sent requests: it serves all that the view gives it.

    ``lease_stands``: the fence's deadline lies ahead. Past it every write is refused.
    ``only``: all others that the view gives it are served.
    """
    return (
        not local.stopping
        and local.fence_lifted
        and lease_stands
        and standing(view, local) is not None
        and local.installed > 0
        and all(
            local.serving.get(partition) == held.record.epoch
            for partition in (view.partitions if only is None else only)
            if (held := view.partitions.get(partition)) is not None and local.owns(held)
        )
    )


def _settings(
    config: ClusterConfig, local: Local
) -> Iterator[SetEviction | SetMinInSync | SetSnapshotRate]:
    if config.eviction != local.eviction:
        yield SetEviction(config.eviction)
    if config.min_in_sync != local.min_in_sync:
        yield SetMinInSync(config.min_in_sync)
    if config.snapshot_bytes_per_second != local.snapshot_bytes_per_second:
        yield SetSnapshotRate(config.snapshot_bytes_per_second)


def _rejoin(view: ClusterView, local: Local) -> Iterator[Action]:
    mine = local.registration
    if mine is not None and view.revision >= mine.create_revision:
        yield Rejoin(f"its key is not there at revision {view.revision}")


def _thaws(view: ClusterView, local: Local) -> Iterator[ThawPartition]:
    for partition in sorted(local.frozen - local.handing):
        held = local.latest(view, partition)
        if held is not None and local.owns(held) and held.record.epoch == local.serving[partition]:
            yield ThawPartition(partition)
