"""One node from its start to its end: everything made, connected, and taken down.

    etcd's config -> data plane bound -> metrics -> agent joins and serves
    SIGTERM -> hand over -> fence -> lease given back -> data plane stopped

The data plane stops listening only after it is fenced: who binds the port next may
count on that (``identity``).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog

from shoal_coordinator.access.running import RunningAccess, running_access
from shoal_coordinator.process.addresses import HostPort, parse_host_port
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.fitting import check_fit
from shoal_coordinator.process.http_server import HttpServer
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.process.patience import PATIENCE_SECONDS, patiently
from shoal_coordinator.process.running_tls import RunningTls, running_tls
from shoal_coordinator.process.tls import TlsClients, TlsContents
from shoal_coordinator.registry.codec import RecordCorrupt
from shoal_coordinator.registry.etcd import EtcdStore, open_store
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import read_config
from shoal_coordinator.registry.port import (
    Lease,
    StoreRefused,
    StoreUnavailable,
    StoreWentBack,
)
from shoal_coordinator.registry.records import ClusterConfig, NodeId, NodeRegistration
from shoal_coordinator.registry.upkeep import LeaseUpkeep, UpkeepCallbacks
from shoal_node._bridge import DataPlane, boottime_ns
from shoal_node.agent import Agent, AgentPorts
from shoal_node.agent_counts import AgentCounts
from shoal_node.data_plane import DataPlaneSettings, DataPlaneTls
from shoal_node.errors import CannotListen, ClusterChanged, NoRegistry
from shoal_node.fence import Fence
from shoal_node.handshakes import tell_failures
from shoal_node.identity import default_id, listener_mark, new_incarnation
from shoal_node.logs import log_as_json
from shoal_node.membership import MembershipPorts
from shoal_node.metrics import NodeCollector
from shoal_node.metrics_server import METRICS, serve_metrics
from shoal_node.peers import GrpcPeers
from shoal_node.probe import DataPathProbe, probe_target
from shoal_node.settings import NodeSettings
from shoal_node.timing import Timing, timing_for

_log = structlog.get_logger(__name__)

_CONFIG_PAUSE_SECONDS = 0.2
_GRACE_MS = 2_000
_TOKEN_BYTES = 8


async def run_node(settings: NodeSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then leave cleanly. Raises NodeError and BadSettings."""
    keys = Keys(settings.cluster)
    async with contextlib.AsyncExitStack() as stack:
        tls = await stack.enter_async_context(running_tls(settings.tls, settings.etcd))
        access = await stack.enter_async_context(
            running_access(settings.access, settings.peer_token)
        )
        store = await stack.enter_async_context(_opened(settings, tls))
        config = await _unless_stopped(_configured(store, keys, settings), stop)
        if config is None:
            return
        check_fit(config, settings.cluster, settings.cluster_id)
        timing = timing_for(config.lease_ttl_seconds)
        listening = _listen(settings, config, tls.own, access)
        stack.callback(listening.data_plane.stop, _GRACE_MS)
        access.told.append(partial(_allow, listening.data_plane))
        tls.told.append(partial(_show, listening.data_plane, settings.tls.clients))
        log_as_json(listening.node)
        probe = DataPathProbe(probe_target(listening.bound), timing.probe_timeout_seconds, tls.own)
        stack.callback(probe.close)
        fence = Fence(listening.data_plane.set_lease_deadline, boottime_ns)
        counts = AgentCounts()
        metrics = stack.enter_context(
            _metrics(
                settings, listening, fence, counts, config.partition_count, probe, tls.own, access
            )
        )
        peers = GrpcPeers(tls.own, lambda: access.token)
        stack.push_async_callback(peers.close)
        membership = _membership_ports(store, keys, probe, timing)
        agent = Agent(
            AgentPorts(membership, listening.data_plane, fence, peers, _token, counts),
            _registration(settings, listening, metrics),
            config,
            timing.policy,
        )
        _log.info(f"listening on {listening.bound}", cluster=settings.cluster)
        _spare_the_collector()
        if tls.own is not None:
            snapshot = partial(listening.data_plane.snapshot, partitions=False)
            await stack.enter_async_context(_background(tell_failures(lambda: snapshot().tls)))
        await _serve(agent, stop, settings.stop_seconds)


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    running = asyncio.create_task(work)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _spare_the_collector() -> None:
    """Have garbage collection pass over all that is loaded by now: it stays for good.

    Each full collection would look at it again, for tens of milliseconds, and any of them
    may fall into a hand-over.
    """
    gc.collect()
    gc.freeze()


async def _serve(agent: Agent, stop: asyncio.Event, stop_seconds: float) -> None:
    running = asyncio.create_task(agent.run(), name="agent")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            _log.info("stopping: handing over what can be")
            left = await agent.hand_over_everything(stop_seconds)
            _log.info("handed over", partitions_left=left)
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        stopping.cancel()
        await agent.leave()
        _log.info("left the cluster")


@dataclass(frozen=True, slots=True)
class Listening:
    """A data plane that is bound, and who it is."""

    data_plane: DataPlane
    node: NodeId
    bound: str
    """HOST:PORT of the socket."""
    reachable: HostPort
    """Where others reach it."""


def _listen(
    settings: NodeSettings, config: ClusterConfig, tls: LiveTls | None, access: RunningAccess
) -> Listening:
    node = settings.id or default_id(socket.gethostname(), settings.listen.port)
    data_plane = _made(
        DataPlaneSettings(
            node_id=node,
            listen=str(settings.listen),
            partition_count=config.partition_count,
            maxmemory_bytes=settings.maxmemory_bytes,
            worker_threads=settings.threads,
            eviction=config.eviction,
            slow_request_ms=settings.slow_request_ms,
            near_grant_ms=settings.near_grant_ms,
            owns_process=True,
            tls=None if tls is None else _data_plane_tls(tls.contents(), tls.clients),
        )
    )
    _allow(data_plane, access)
    try:
        bound = data_plane.start()
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {settings.listen}: {error.strerror or error}. "
            "Stop what listens there, or take another --listen"
        ) from error
    reachable = settings.advertise or parse_host_port(bound)
    if reachable.is_wildcard:
        reachable = HostPort(socket.gethostname(), reachable.port)
    return Listening(data_plane, NodeId(node), bound, reachable)


def _made(settings: DataPlaneSettings) -> DataPlane:
    try:
        return DataPlane(settings)
    except ValueError as error:
        raise BadSettings(str(error)) from error


def _allow(data_plane: DataPlane, access: RunningAccess) -> None:
    """Have callers judged, and this node known to others, as it stands now."""
    if access.policy is not None:
        data_plane.set_access(*access.policy.table())
    data_plane.set_peer_token(access.token)


def _data_plane_tls(contents: TlsContents, clients: TlsClients) -> DataPlaneTls:
    assert contents.authority is not None, "settings without one are refused"
    return DataPlaneTls(
        contents.certificate,
        contents.key,
        contents.authority,
        requires_certificate=clients is TlsClients.CERTIFICATE,
    )


def _show(data_plane: DataPlane, clients: TlsClients, contents: TlsContents) -> None:
    """Have new connections see other certificates. Raises BadSettings."""
    try:
        data_plane.set_tls(_data_plane_tls(contents, clients))
    except ValueError as error:
        raise BadSettings(str(error)) from error


def _registration(
    settings: NodeSettings, listening: Listening, metrics: HttpServer
) -> NodeRegistration:
    reachable = metrics.address
    if reachable.is_wildcard:
        reachable = HostPort(listening.reachable.host, reachable.port)
    return NodeRegistration(
        id=listening.node,
        address=str(listening.reachable),
        zone=settings.zone,
        weight=settings.weight,
        incarnation=new_incarnation(listener_mark(listening.bound)),
        version=_version(),
        metrics_url=metrics.url(METRICS, reachable),
    )


def _membership_ports(
    store: EtcdStore, keys: Keys, probe: DataPathProbe, timing: Timing
) -> MembershipPorts:
    def make_upkeep(lease: Lease, granted_ns: int, callbacks: UpkeepCallbacks) -> LeaseUpkeep:
        return LeaseUpkeep(store.lease_keeper(), lease, granted_ns, callbacks, timing.upkeep)

    return MembershipPorts(
        store=store,
        keys=keys,
        is_well=probe.is_well,
        make_upkeep=make_upkeep,
        clock_ns=boottime_ns,
        offload=asyncio.to_thread,
    )


@contextlib.asynccontextmanager
async def _opened(settings: NodeSettings, tls: RunningTls) -> AsyncIterator[EtcdStore]:
    store = open_store(settings.etcd, credentials=tls.etcd)
    try:
        yield store
    finally:
        await store.close()


async def _configured(store: EtcdStore, keys: Keys, settings: NodeSettings) -> ClusterConfig:
    """The cluster's configuration, as soon as a coordinator has created it."""
    has_answered = False
    while True:
        try:
            config = await patiently(
                lambda: read_config(store, keys), 0 if has_answered else PATIENCE_SECONDS
            )
        except (StoreUnavailable, StoreRefused) as error:
            if not has_answered:
                raise NoRegistry(
                    f"etcd at {settings.etcd} does not answer: {error}. Start it, or correct --etcd"
                ) from error
            config = None
        except StoreWentBack as error:
            raise ClusterChanged(str(error)) from error
        except RecordCorrupt as error:
            raise NoRegistry(str(error)) from error
        if config is not None:
            return config
        if not has_answered:
            has_answered = True
            _log.info(f"waiting for a coordinator to create {keys.config} in etcd")
        await asyncio.sleep(_CONFIG_PAUSE_SECONDS)


async def _unless_stopped(
    work: Coroutine[Any, Any, ClusterConfig], stop: asyncio.Event
) -> ClusterConfig | None:
    """The result of ``work``, or None when ``stop`` is set first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


@contextlib.contextmanager
def _metrics(
    settings: NodeSettings,
    listening: Listening,
    fence: Fence,
    counts: AgentCounts,
    partition_count: int,
    probe: DataPathProbe,
    tls: LiveTls | None,
    access: RunningAccess,
) -> Iterator[HttpServer]:
    of_partitions = partition_count <= settings.partition_metrics_max
    collector = NodeCollector(
        partial(listening.data_plane.snapshot, partitions=of_partitions),
        fence.times,
        counts,
        boottime_ns,
        of_partitions=of_partitions,
    )
    try:
        server = serve_metrics(
            settings.metrics_listen,
            collector,
            listening.data_plane.snapshot,
            lambda is_ready: probe.says(is_ready=is_ready),
            tls,
            lambda: access.access,
        )
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {settings.metrics_listen} for metrics: "
            f"{error.strerror or error}. Take another --metrics-listen"
        ) from error
    try:
        yield server
    finally:
        server.close()


def _token() -> str:
    return secrets.token_hex(_TOKEN_BYTES)


def _version() -> str:
    try:
        return version("shoal-node")
    except PackageNotFoundError:
        return "unpackaged"
