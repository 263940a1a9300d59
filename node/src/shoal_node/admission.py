"""Whether a node may register its id now, as a pure function of who stands there.

A node's key is bound to its lease and held by one incarnation at a time. A
predecessor that is dead for certain is replaced at once: others may then take its
partitions over. One that may live is waited for, until its lease runs out. One
that goes on living has the id, and this process must not.
"""

from __future__ import annotations

from dataclasses import dataclass

from shoal_coordinator.registry.port import LeaseId
from shoal_coordinator.registry.records import Incarnation
from shoal_coordinator.registry.view import LiveNode
from shoal_node.identity import same_listener


@dataclass(frozen=True, slots=True)
class Enter:
    """Register; first remove ``predecessor``, which is dead."""

    predecessor: LiveNode | None
    why: str

    def __str__(self) -> str:
        return f"register: {self.why}"


@dataclass(frozen=True, slots=True)
class AlreadyIn:
    """The key stands, written by this process under the lease that it holds."""

    standing: LiveNode

    def __str__(self) -> str:
        return "registered: the key that this process wrote stands"


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Let the predecessor's lease run out first."""

    predecessor: LiveNode
    until_ms: int

    def __str__(self) -> str:
        node = self.predecessor.registration
        return (
            f"wait for the lease of {node.id} at {node.address} to run out: "
            "it is registered under this node's id and may be alive"
        )


@dataclass(frozen=True, slots=True)
class Refuse:
    """Another process lives under this id."""

    predecessor: LiveNode

    def __str__(self) -> str:
        node = self.predecessor.registration
        return (
            f"another node uses the id {node.id}: it lives at {node.address}. "
            "Give this one another --id, or stop the other"
        )


Admission = Enter | AlreadyIn | WaitFor | Refuse


def admit(
    standing: LiveNode | None,
    incarnation: Incarnation,
    lease: LeaseId | None,
    waiting_since_ms: int,
    now_ms: int,
    patience_ms: int,
) -> Admission:
    """Decide by who stands under this node's id.

    ``lease`` is the one that this process holds, if any. ``waiting_since_ms`` says
    since when another incarnation is known to stand there.
    """
    if standing is None:
        return Enter(None, "nobody stands under this node's id")
    other = standing.registration.incarnation
    if other == incarnation:
        if standing.lease == lease:
            return AlreadyIn(standing)
        return Enter(standing, "the key is this process's own, from a lease it has lost")
    if same_listener(incarnation, other):
        return Enter(standing, "the predecessor is dead: this process has its listener")
    until_ms = waiting_since_ms + patience_ms
    return WaitFor(standing, until_ms) if now_ms < until_ms else Refuse(standing)
