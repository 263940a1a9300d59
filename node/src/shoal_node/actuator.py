"""Carries out what a node does in its own data plane, and keeps ``local`` true to it.

Everything here is done at once, in the event loop's thread, in the order given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import structlog

from shoal_coordinator.registry.copy_ids import new_copy_id
from shoal_coordinator.registry.view import ClusterView
from shoal_node.actions import (
    ClosePartition,
    FollowPartition,
    InstallTopology,
    LiftFence,
    OpenPartition,
    OwnAction,
    PromotePartition,
    RequireCopies,
    SetEviction,
    SetMinInSync,
    SetSnapshotRate,
    ThawPartition,
)
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.fence import Fence
from shoal_node.local import Following, Joining, Local, Required
from shoal_node.topology import TopologyWriter

_log = structlog.get_logger(__name__)


class Actuator:
    """The one that changes the data plane. ``draw_token`` returns something random."""

    def __init__(
        self,
        data_plane: DataPlanePort,
        fence: Fence,
        local: Local,
        draw_token: Callable[[], str],
    ) -> None:
        self._data_plane = data_plane
        self._fence = fence
        self._local = local
        self._draw_token = draw_token
        self._topology = TopologyWriter()

    def perform(  # noqa: C901  a table of actions
        self, view: ClusterView, action: OwnAction, now_ms: int
    ) -> None:
        match action:
            case OpenPartition(partition=partition, epoch=epoch, copy_id=copy_id):
                self._data_plane.open_partition(partition, epoch, copy_id)
                self._local.opened(partition, epoch, copy_id, now_ms)
            case PromotePartition():
                self._promote(action, now_ms)
            case FollowPartition():
                self._follow(action)
            case ClosePartition(partition=partition):
                self._data_plane.close_partition(partition)
                self._local.closed(partition)
            case RequireCopies():
                self._require(action, now_ms)
            case ThawPartition(partition=partition):
                self._data_plane.thaw_partition(partition)
                self._local.thawed(partition)
            case InstallTopology():
                self._data_plane.install_topology(self._topology.serialized(view))
                self._local.installed = view.revision
            case SetEviction(eviction=eviction):
                self._data_plane.set_eviction(eviction)
                self._local.eviction = eviction
            case SetMinInSync(copies=copies):
                self._data_plane.set_min_in_sync(copies)
                self._local.min_in_sync = copies
            case SetSnapshotRate(bytes_per_second=bytes_per_second):
                self._data_plane.set_snapshot_rate(bytes_per_second)
                self._local.snapshot_bytes_per_second = bytes_per_second
            case LiftFence():
                mine = self._local.registration
                assert mine is not None
                self._local.fence_lifted = self._fence.lift(mine.lease)
            case _:
                assert_never(action)

    def _promote(self, action: PromotePartition, now_ms: int) -> None:
        try:
            self._data_plane.promote_partition(action.partition, action.epoch)
        except ValueError as error:
            # The copy began anew after this node had looked. It is not the one named.
            _log.warning("not promoted", partition=action.partition, why=str(error))
            self._data_plane.close_partition(action.partition)
            self._local.lost_copy(action.partition, action.epoch)
            return
        self._local.promoted(action.partition, action.epoch, now_ms)

    def _follow(self, action: FollowPartition) -> None:
        partition = action.partition
        copy_id = self._local.copies.get(partition)
        if copy_id is None:
            copy_id = new_copy_id(self._local.incarnation, self._draw_token())
        self._data_plane.follow_partition(
            partition, action.primary, action.address, action.epoch, copy_id
        )
        following = Following(action.primary, action.address, action.epoch)
        self._local.followed(partition, following, copy_id)

    def _require(self, action: RequireCopies, now_ms: int) -> None:
        partition = action.partition
        if partition not in self._local.serving:
            # It was to be promoted, and could not be.
            return
        copies = [(copy.node, copy.copy_id) for copy in action.copies]
        head_seq = self._data_plane.require_copies(partition, copies, action.in_sync_count)
        joining = None if action.joining is None else Joining(action.joining, head_seq, now_ms)
        required = Required(action.copies, action.in_sync_count)
        self._local.requires(partition, required, joining, now_ms)
