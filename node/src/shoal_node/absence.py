"""Which nodes are missing, and whether so many at once that etcd is to blame.

When more than half of the nodes vanish within a short time, the likely reason is
not that they died but that etcd lost their leases: an outage past their TTL, or a
leader that was frozen and resumed. Such nodes still hold their data, register
again, and resume what nobody took. So take-overs from them are held back, for
``hold_ms`` at most: two TTLs by default, one for the node to notice and one to
come back. A node that died for certain (its id has a new incarnation) is not
missing, and a single node's death, the common case, is never held back.

Who vanished in a mass loss is waited for even when most others are back already.

Absence is counted from when this node itself was back, at the earliest (``contact``): what
it saw before that, or did not see while etcd was away, says nothing of how long it lasts.

Invariants: ``missing_since_ms`` holds exactly the expected nodes that are not live;
``held_until_ms`` those of them that vanished in a mass loss, for a bounded time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shoal_coordinator.registry.records import MemberState, NodeId
from shoal_coordinator.registry.view import ClusterView

_FEWEST_FOR_MASS_LOSS = 2


@dataclass(slots=True)
class Absence:
    """What successive views said about who is there."""

    missing_since_ms: dict[NodeId, int] = field(default_factory=dict)
    held_until_ms: dict[NodeId, int] = field(default_factory=dict)
    """Until when nothing may be taken over from a node."""
    _seen: set[NodeId] = field(default_factory=set)
    _missing: frozenset[NodeId] = frozenset()
    """Of the newest view, with how many nodes live there that count."""
    _live_count: int = 0
    _looked_at: tuple[Mapping[NodeId, object], Mapping[NodeId, object]] | None = None
    """The parts of the view from which these two come: views share what did not change."""

    def saw(self, view: ClusterView, now_ms: int, hold_ms: int, contact_since_ms: int = 0) -> None:
        """Take note of who is in ``view`` and who should be and is not."""
        known = self._looked_at
        if known is None or known[0] is not view.nodes or known[1] is not view.members:
            self._look(view)
        if not self._missing:
            if self.missing_since_ms:
                self.missing_since_ms, self.held_until_ms = {}, {}
            return
        self.missing_since_ms = {
            node: max(self.missing_since_ms.get(node, now_ms), contact_since_ms)
            for node in self._missing
        }
        lately = {
            node: since_ms + hold_ms
            for node, since_ms in self.missing_since_ms.items()
            if now_ms < since_ms + hold_ms
        }
        is_mass_loss = _is_mass_loss(len(lately), self._live_count)
        if self.held_until_ms or is_mass_loss:
            self.held_until_ms = {
                node: until_ms
                for node, until_ms in lately.items()
                if is_mass_loss or node in self.held_until_ms
            }

    def _look(self, view: ClusterView) -> None:
        self._looked_at = view.nodes, view.members
        live = {node for node, it in view.nodes.items() if it.registration.weight > 0}
        proxies = view.nodes.keys() - live
        self._seen |= live
        expected = (self._seen | _members(view)) - _departed(view) - proxies
        self._missing = frozenset(expected - live)
        self._live_count = len(live)


def _is_mass_loss(lost: int, left: int) -> bool:
    """Whether more than half of the nodes went, and not just one."""
    return lost >= _FEWEST_FOR_MASS_LOSS and lost > left


def _members(view: ClusterView) -> set[NodeId]:
    return {node for node, member in view.members.items() if member.weight > 0}


def _departed(view: ClusterView) -> set[NodeId]:
    return {node for node in view.members if has_left(view, node)}


def has_left(view: ClusterView, node: NodeId) -> bool:
    """Whether a node is gone for good, as the coordinator says."""
    member = view.members.get(node)
    return member is not None and member.state is MemberState.LEFT
