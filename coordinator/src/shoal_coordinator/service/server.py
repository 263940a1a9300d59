"""The gRPC server: Admin, the standard health service, reflection v1 and v1alpha.

Health: "" is serving as long as the process answers, ``shoal.v1.Admin`` once the
first view of the registry is there.
"""

from __future__ import annotations

from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator.access.rights import Access
from shoal_coordinator.errors import CannotListen
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.rebalance.keeper import Keeper
from shoal_coordinator.registry.view import ClusterView
from shoal_coordinator.service.admin import AdminService, Changers
from shoal_coordinator.service.admission import Admission
from shoal_coordinator.service.described import serve_reflection

ADMIN = admin_pb2.DESCRIPTOR.services_by_name["Admin"].full_name
_MESSAGE_BYTES_MAX = 64 << 10
"""Of a request; all that are served are tiny."""
_OPTIONS = (
    # Without it two coordinators could share a port, and each get half of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Until TLS and HTTP/2 are agreed upon; two minutes by default.
    ("grpc.server_handshake_timeout_ms", 10_000),
)
_CALLS_AT_ONCE_MAX = 256


class Server:
    """Serves from ``start`` to ``stop``."""

    def __init__(
        self,
        view: Callable[[], ClusterView | None],
        changers: Changers,
        keeper: Callable[[], Keeper | None] = lambda: None,
        tls: LiveTls | None = None,
        access: Callable[[], Access | None] = lambda: None,
    ) -> None:
        """As for ``AdminService``; ``access`` tells who may do what now."""
        self._tls = tls
        self._server = grpc.aio.server(
            options=_OPTIONS,
            maximum_concurrent_rpcs=_CALLS_AT_ONCE_MAX,
            interceptors=(Admission(access),),
        )
        self._health = health.aio.HealthServicer()
        service = AdminService(view, changers, keeper, tls)
        admin_pb2_grpc.add_AdminServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        serve_reflection(self._server, (ADMIN, health.SERVICE_NAME))

    async def start(self, listen: HostPort) -> HostPort:
        """Bind and serve; return the address as bound. Raises CannotListen."""
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._health.set(ADMIN, health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            port = self._bind(str(listen))
        except RuntimeError as error:
            raise CannotListen(
                f"--listen {listen} cannot be bound: it is taken, or is not an address of this "
                "machine; take another"
            ) from error
        await self._server.start()
        return HostPort(listen.host, port)

    def _bind(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._tls.server_credentials())

    async def be_ready(self) -> None:
        await self._health.set(ADMIN, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_seconds: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)
