"""Who may take a vacant partition, in which order.

First the nodes of the record's preference list (the ring's order) that live and
have weight and do not stop, then every other such node that does not wait to be added.
The others are ordered by rendezvous hashing of (partition, node), so that the partitions
of a lost zone spread over all who are left instead of piling up on one; nodes that shall
have nothing (being drained, gone for good, or given no weight) come last. A pure
function of (view, record): every node that sees the same view computes the same order,
and so at most one finds itself first.

Rendezvous (highest random weight) hashing: Thaler and Ravishankar, 1998.
"""

from __future__ import annotations

from hashlib import blake2b

from shoal_coordinator.registry.records import MemberState, NodeId, PartitionId, PartitionRecord
from shoal_coordinator.registry.view import ClusterView

_LEAVING = frozenset({MemberState.DRAINING, MemberState.LEFT})


def candidates(view: ClusterView, record: PartitionRecord) -> tuple[NodeId, ...]:
    """All nodes that may own the record's partition, the first to act first."""
    return (*_preferred(view, record), *_others(view, record))


def rank(view: ClusterView, record: PartitionRecord, node: NodeId) -> int | None:
    """Place of ``node`` among the candidates; None when it is not one."""
    preferred = _preferred(view, record)
    if node in preferred:
        return preferred.index(node)
    others = _others(view, record)
    return len(preferred) + others.index(node) if node in others else None


def _preferred(view: ClusterView, record: PartitionRecord) -> tuple[NodeId, ...]:
    return tuple(node for node in record.preference if _can_own(view, node))


def _others(view: ClusterView, record: PartitionRecord) -> tuple[NodeId, ...]:
    others = [node for node in view.nodes if node not in record.preference and _can_own(view, node)]
    others.sort(key=lambda node: (_is_leaving(view, node), _score(record.partition, node)))
    return tuple(others)


def _can_own(view: ClusterView, node: NodeId) -> bool:
    return view.may_be_given(node)


def _is_leaving(view: ClusterView, node: NodeId) -> bool:
    member = view.members.get(node)
    return member is not None and (member.state in _LEAVING or member.weight == 0)


def _score(partition: PartitionId, node: NodeId) -> bytes:
    return blake2b(f"{partition}/{node}".encode(), digest_size=8).digest()
