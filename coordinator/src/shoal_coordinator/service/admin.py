"""The ``shoal.v1.Admin`` service. Any coordinator answers: reads from its own view, and
changes by compare-and-swap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import grpc
import structlog

from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator import membership
from shoal_coordinator.membership import WEIGHT_MAX, Refused
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.rebalance.keeper import Keeper
from shoal_coordinator.registry.codec import RecordCorrupt, config_to_pb, member_to_pb
from shoal_coordinator.registry.keys import BadName, checked_name
from shoal_coordinator.registry.operations import MemberStands
from shoal_coordinator.registry.port import StoreError
from shoal_coordinator.registry.records import ClusterConfig, NodeId
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.asking import ask_leader
from shoal_coordinator.service.configuring import NotMeant, cancelled_for, config_change
from shoal_coordinator.service.explain import SLOT_COUNT, explained
from shoal_coordinator.service.refusing import (
    Context,
    refuse_bad,
    refuse_command,
    refuse_unready,
    refuse_unwritten,
)
from shoal_coordinator.service.status import status_of
from shoal_coordinator.service.told import alarms_told, rebalance_told

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changers:
    """How the service changes what stands in the registry."""

    config: Callable[[Callable[[ClusterConfig], ClusterConfig]], Awaitable[ClusterConfig | None]]
    """Changes the configuration that stands, and returns it; None: there is none yet."""
    membership: Callable[[membership.Command], Awaitable[MemberStands | Refused]]
    """Writes what the command makes of the cluster as it stands now."""


class AdminService(admin_pb2_grpc.AdminServicer):
    """``view`` returns the newest view, or None before the first."""

    def __init__(
        self,
        view: Callable[[], ClusterView | None],
        changers: Changers,
        keeper: Callable[[], Keeper | None] = lambda: None,
        tls: LiveTls | None = None,
    ) -> None:
        """``keeper`` returns that of this coordinator while it leads; ``tls`` is for others."""
        self._tls = tls
        self._view = view
        self._changers = changers
        self._keeper = keeper

    async def GetClusterStatus(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.GetClusterStatusRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[
            admin_pb2.GetClusterStatusRequest, admin_pb2.GetClusterStatusResponse
        ],
    ) -> admin_pb2.GetClusterStatusResponse:
        view = self._view()
        if view is None:
            await refuse_unready(context)
        return status_of(view)

    async def UpdateConfig(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.UpdateConfigRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.UpdateConfigRequest, admin_pb2.UpdateConfigResponse
        ],
    ) -> admin_pb2.UpdateConfigResponse:
        try:
            change = config_change(request, cancelled_for(request, self._view()))
        except NotMeant as error:
            await refuse_bad(context, str(error))
        try:
            config = await self._changers.config(change)
        except (StoreError, RecordCorrupt) as error:
            await refuse_unwritten(context, error)
        if config is None:
            await refuse_unready(context)
        _log.info(
            f"the configuration was asked for: eviction is {config.eviction}, unclean is "
            f"{config.unclean}, snapshots go at "
            f"{config.snapshot_bytes_per_second or 'any number of'} bytes a second, the "
            f"rebalance is {config.rebalance.mode}"
        )
        return admin_pb2.UpdateConfigResponse(config=config_to_pb(config))

    async def ExplainRing(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.ExplainRingRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.ExplainRingRequest, admin_pb2.ExplainRingResponse
        ],
    ) -> admin_pb2.ExplainRingResponse:
        view = self._view()
        if view is None or view.config is None:
            await refuse_unready(context)
        if request.slot >= SLOT_COUNT:
            await refuse_bad(context, f"slots are 0 to {SLOT_COUNT - 1}")
        # The ring of a large cluster has many tokens to sort.
        return await asyncio.to_thread(explained, view, view.config, request.slot)

    async def AddNode(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.AddNodeRequest,
        context: grpc.aio.ServicerContext[admin_pb2.AddNodeRequest, admin_pb2.AddNodeResponse],
    ) -> admin_pb2.AddNodeResponse:
        node = await _node(context, request.node)
        stands = await self._changed(context, partial(membership.add, node=node))
        return admin_pb2.AddNodeResponse(member=member_to_pb(stands.member), changed=stands.changed)

    async def DrainNode(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.DrainNodeRequest,
        context: grpc.aio.ServicerContext[admin_pb2.DrainNodeRequest, admin_pb2.DrainNodeResponse],
    ) -> admin_pb2.DrainNodeResponse:
        node = await _node(context, request.node)
        command = membership.keep if request.cancel else membership.drain
        stands = await self._changed(context, partial(command, node=node))
        return admin_pb2.DrainNodeResponse(
            member=member_to_pb(stands.member), changed=stands.changed
        )

    async def RemoveNode(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.RemoveNodeRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.RemoveNodeRequest, admin_pb2.RemoveNodeResponse
        ],
    ) -> admin_pb2.RemoveNodeResponse:
        node = await _node(context, request.node)
        command = partial(membership.remove, node=node, force=request.force)
        stands = await self._changed(context, command)
        return admin_pb2.RemoveNodeResponse(
            member=member_to_pb(stands.member), changed=stands.changed
        )

    async def SetNodeWeight(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.SetNodeWeightRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.SetNodeWeightRequest, admin_pb2.SetNodeWeightResponse
        ],
    ) -> admin_pb2.SetNodeWeightResponse:
        node = await _node(context, request.node)
        if request.weight > WEIGHT_MAX:
            await refuse_bad(context, f"weights are 0 to {WEIGHT_MAX}")
        weight = request.weight if request.HasField("weight") else None
        stands = await self._changed(context, partial(membership.weigh, node=node, weight=weight))
        return admin_pb2.SetNodeWeightResponse(
            member=member_to_pb(stands.member), changed=stands.changed
        )

    async def GetRebalance(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.GetRebalanceRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.GetRebalanceRequest, admin_pb2.GetRebalanceResponse
        ],
    ) -> admin_pb2.GetRebalanceResponse:
        view, keeper = self._view(), self._keeper()
        if view is None:
            await refuse_unready(context)
        if keeper is not None:
            return rebalance_told(view, keeper.progress, keeper.reports)
        return await ask_leader(
            context,
            view,
            self._tls,
            lambda stub, timeout, metadata: stub.GetRebalance(
                request, timeout=timeout, metadata=metadata
            ),
        )

    async def CheckCluster(  # noqa: N802  gRPC's name
        self,
        request: admin_pb2.CheckClusterRequest,
        context: grpc.aio.ServicerContext[
            admin_pb2.CheckClusterRequest, admin_pb2.CheckClusterResponse
        ],
    ) -> admin_pb2.CheckClusterResponse:
        view, keeper = self._view(), self._keeper()
        if view is None:
            await refuse_unready(context)
        if keeper is not None:
            return alarms_told(keeper.alarms(view))
        return await ask_leader(
            context,
            view,
            self._tls,
            lambda stub, timeout, metadata: stub.CheckCluster(
                request, timeout=timeout, metadata=metadata
            ),
        )

    async def _changed(self, context: Context, command: membership.Command) -> MemberStands:
        try:
            stands = await self._changers.membership(command)
        except StoreError as error:
            await refuse_unwritten(context, error)
        if isinstance(stands, Refused):
            await refuse_command(context, stands)
        if stands.changed:
            member = stands.member
            _log.info(f"node {member.id} is {member.state} with weight {member.weight}, as asked")
        return stands


async def _node(context: Context, name: str) -> NodeId:
    try:
        return NodeId(checked_name("node id", name))
    except BadName as error:
        await refuse_bad(context, str(error))
