"""What ends a node's process, each with a sentence for the person who started it.

NodeError
├── CannotListen       the address is taken or not ours
├── IdInUse            another process that lives has this node's id
├── ClusterChanged     the registry is not the one this node joined
└── DataPlaneWedged    the node's own listener does not answer its probe
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of what ends the process. ``exit_status`` is what it exits with."""

    exit_status = 1


class CannotListen(NodeError):
    """The listener could not be bound."""


class IdInUse(NodeError):
    """Another process that lives is registered under this node's id."""


class ClusterChanged(NodeError):
    """The registry went back in time or was made anew. Nothing held here is of use."""


class NoRegistry(NodeError):
    """Etcd could not be asked for the cluster's configuration."""
