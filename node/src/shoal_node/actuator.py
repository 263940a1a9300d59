"""Carries out what a node does in its own data plane, and keeps ``local`` true to it.

Everything here is done at once, in the event loop's thread, in the order given.
"""

from __future__ import annotations

from typing import assert_never

from shoal_coordinator.registry.view import ClusterView
from shoal_node.actions import (
    ClosePartition,
    InstallTopology,
    LiftFence,
    OpenPartition,
    OwnAction,
    SetEviction,
    ThawPartition,
)
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.fence import Fence
from shoal_node.local import Local
from shoal_node.topology import topology_of


class Actuator:
    """The one that changes the data plane."""

    def __init__(self, data_plane: DataPlanePort, fence: Fence, local: Local) -> None:
        self._data_plane = data_plane
        self._fence = fence
        self._local = local

    def perform(self, view: ClusterView, action: OwnAction) -> None:
        match action:
            case OpenPartition(partition=partition, epoch=epoch):
                self._data_plane.open_partition(partition, epoch)
                self._local.opened(partition, epoch)
            case ClosePartition(partition=partition):
                self._data_plane.close_partition(partition)
                self._local.closed(partition)
            case ThawPartition(partition=partition):
                self._data_plane.thaw_partition(partition)
                self._local.thawed(partition)
            case InstallTopology():
                self._data_plane.install_topology(topology_of(view).SerializeToString())
                self._local.installed = view.revision
            case SetEviction(eviction=eviction):
                self._data_plane.set_eviction(eviction)
                self._local.eviction = eviction
            case LiftFence():
                mine = self._local.registration
                assert mine is not None
                self._local.fence_lifted = self._fence.lift(mine.lease)
            case _:
                assert_never(action)
