"""What a node does next: a pure function of what it sees, what it is, and the time.

The rules (DESIGN 5 and 6, as far as one copy of the data goes):

- A partition is served here exactly while its newest known record names this
  incarnation; it is opened empty, once for each epoch.
- A record without a live primary is vacant. Its candidates, in their order
  (``candidates``), take it over: the first at once, each other one a delay after
  the one before. After a mass loss all wait (``absence``).
- A record that asks for a hand-over to a live node is handed over by its primary.
  A node that stops hands over whatever it serves.
- The data plane evicts by the policy that the cluster's configuration names.
- What was lost is closed, even while an operation on it is still on its way.

Order within one answer matters, and is the order of carrying out: partitions are
closed before the topology names another, and opened before it names this node;
the fence is lifted only after everything is closed that this node lost while it
was without a lease. The exception: a partition frozen for a hand-over that has won
is closed right after the topology names its new owner, so that the requests that
wait for it are sent there. A frozen partition acknowledges nothing, so this is
safe.

Non-goal: what is in etcd when an action runs. Every write compares it.
"""

from __future__ import annotations

from collections.abc import Iterator

from shoal_coordinator.registry.view import ClusterView, HeldPartition, LiveNode
from shoal_node.actions import (
    Action,
    ClosePartition,
    HandOver,
    InstallTopology,
    LiftFence,
    LookAgain,
    OpenPartition,
    Rejoin,
    SetEviction,
    TakeOver,
    ThawPartition,
)
from shoal_node.candidates import candidates, rank
from shoal_node.local import Local, Vacancy
from shoal_node.policy import Policy


def decide(view: ClusterView, local: Local, now_ms: int, policy: Policy) -> tuple[Action, ...]:
    """What to do now, in this order. ``local.saw(view, now_ms)`` comes first."""
    if view.config is None:
        return ()
    closings, late_closings = _closings(view, local)
    own = standing(view, local)
    actions: list[Action] = [*closings]
    if view.config.eviction != local.eviction:
        actions.append(SetEviction(view.config.eviction))
    if own is not None:
        actions += _openings(view, local)
    if view.revision > local.installed:
        actions.append(InstallTopology(view.revision))
    actions += late_closings
    if own is None:
        return (*actions, *_rejoin(view, local))
    actions += _thaws(view, local)
    if not local.fence_lifted:
        actions.append(LiftFence(view.revision))
    actions += _hand_overs(view, local, own, now_ms, policy)
    actions += _take_overs(view, local, own, now_ms, policy)
    return tuple(actions)


def standing(view: ClusterView, local: Local) -> LiveNode | None:
    """This node's registration, if the view shows the very key that this node wrote.

    From that revision on nobody can have taken from this incarnation what the view
    gives it: a take-over compares that this key is absent, and it has stood since.
    """
    own = view.nodes.get(local.node)
    if own is None or local.registration is None:
        return None
    return own if own.create_revision == local.registration.create_revision else None


def is_ready(view: ClusterView, local: Local, *, lease_stands: bool) -> bool:
    """Whether this node can be sent requests: it serves all that the view gives it.

    ``lease_stands``: the fence's deadline lies ahead. Past it every write is refused.
    """
    return (
        not local.stopping
        and local.fence_lifted
        and lease_stands
        and standing(view, local) is not None
        and local.installed > 0
        and all(
            local.serving.get(partition) == held.record.epoch
            for partition, held in view.partitions.items()
            if local.owns(held)
        )
    )


def _rejoin(view: ClusterView, local: Local) -> Iterator[Action]:
    mine = local.registration
    if mine is not None and view.revision >= mine.create_revision:
        yield Rejoin(f"its key is not there at revision {view.revision}")


def _closings(view: ClusterView, local: Local) -> tuple[list[ClosePartition], list[ClosePartition]]:
    """What to close before the topology is installed, and what after it."""
    before: list[ClosePartition] = []
    after: list[ClosePartition] = []
    for partition, epoch in local.serving.items():
        held = local.latest(view, partition)
        owned = held is not None and local.owns(held)
        if held is not None and owned and held.record.epoch <= epoch:
            continue
        closing = ClosePartition(partition, _why_closed(held))
        if owned or partition not in local.frozen:
            before.append(closing)
        elif held is None or held.mod_revision <= view.revision:
            after.append(closing)
    return before, after


def _why_closed(held: HeldPartition | None) -> str:
    if held is None or held.record.primary is None:
        return "no record gives it to this node"
    return f"its record names {held.record.primary.node} at epoch {held.record.epoch}"


def _openings(view: ClusterView, local: Local) -> Iterator[OpenPartition]:
    for partition in sorted(view.partitions.keys() | local.written.keys()):
        held = local.latest(view, partition)
        if held is None or not local.owns(held):
            continue
        if held.record.epoch > local.spent.get(partition, 0):
            yield OpenPartition(partition, held.record.epoch)


def _thaws(view: ClusterView, local: Local) -> Iterator[ThawPartition]:
    for partition in sorted(local.frozen - local.handing):
        held = local.latest(view, partition)
        if held is not None and local.owns(held) and held.record.epoch == local.serving[partition]:
            yield ThawPartition(partition)


def _hand_overs(
    view: ClusterView, local: Local, own: LiveNode, now_ms: int, policy: Policy
) -> Iterator[Action]:
    at_once = policy.stopping_hand_overs_at_once if local.stopping else policy.hand_overs_at_once
    room = at_once - len(local.handing)
    retry_at_ms: int | None = None
    for partition, epoch in local.serving.items():
        held = view.partitions.get(partition)
        if held is None or local.latest(view, partition) is not held or partition in local.frozen:
            continue
        if not local.owns(held) or held.record.epoch != epoch or partition in local.handing:
            continue
        target = _target(view, local, held)
        if target is None:
            continue
        due_ms = local.retry_at_ms.get(partition, now_ms)
        if due_ms > now_ms:
            retry_at_ms = due_ms if retry_at_ms is None else min(due_ms, retry_at_ms)
        elif room > 0:
            room -= 1
            why = "this node stops" if local.stopping else "its record asks for it"
            yield HandOver(held, own, target, why)
    if retry_at_ms is not None:
        yield LookAgain(retry_at_ms, "a hand-over did not come about")


def _target(view: ClusterView, local: Local, held: HeldPartition) -> LiveNode | None:
    if local.stopping:
        others = (node for node in candidates(view, held.record) if node != local.node)
        wanted = next(others, None)
    else:
        wanted = held.record.handoff_to
    if wanted is None or wanted == local.node:
        return None
    target = view.nodes.get(wanted)
    return target if target is not None and target.registration.takes_partitions else None


def _take_overs(
    view: ClusterView, local: Local, own: LiveNode, now_ms: int, policy: Policy
) -> Iterator[Action]:
    if local.stopping or own.registration.weight == 0:
        return
    room = policy.take_overs_at_once - len(local.taking)
    next_look: LookAgain | None = None
    for partition, vacancy in local.vacancies.items():
        held = view.partitions[partition]
        if partition in local.taking or local.latest(view, partition) is not held:
            continue
        due = _due(view, local, held, vacancy, policy)
        if due is None:
            continue
        at_ms = max(due.at_ms, local.retry_at_ms.get(partition, 0))
        if at_ms > now_ms:
            if next_look is None or at_ms < next_look.at_ms:
                next_look = LookAgain(at_ms, due.why)
        elif room > 0:
            room -= 1
            yield _take_over(view, held, own)
    if next_look is not None:
        yield next_look


def _due(
    view: ClusterView, local: Local, held: HeldPartition, vacancy: Vacancy, policy: Policy
) -> LookAgain | None:
    """When it is this node's turn to take a vacant partition; None: never."""
    place = rank(view, held.record, local.node)
    if place is None:
        return None
    if vacancy.held_until_ms is not None:
        why = f"most nodes vanished at once; partition {held.record.partition} may be resumed"
        return LookAgain(vacancy.held_until_ms, why)
    why = f"{place} other nodes come first for partition {held.record.partition}"
    return LookAgain(vacancy.since_ms + place * policy.follow_delay_ms, why)


def _take_over(view: ClusterView, held: HeldPartition, own: LiveNode) -> TakeOver:
    primary = held.record.primary
    if primary is None:
        return TakeOver(held, own, None, "nobody has had it yet")
    previous = view.nodes.get(primary.node)
    if previous is None:
        return TakeOver(held, own, None, f"its primary {primary.node} is gone")
    return TakeOver(held, own, previous, f"its primary {primary.node} has restarted")
