"""Granting and revoking leases, and keeping one from a thread."""

from __future__ import annotations

import threading

import grpc

from shoal_coordinator.registry.etcd.calls import call_with_retries
from shoal_coordinator.registry.etcd.channel import REQUIRE_LEADER, open_blocking_channel
from shoal_coordinator.registry.etcd.continuity import Continuity
from shoal_coordinator.registry.etcd.credentials import (
    EtcdCredentials,
    TellCredentials,
    no_credentials,
)
from shoal_coordinator.registry.etcd.endpoints import Endpoint, Endpoints, Rotation
from shoal_coordinator.registry.etcd.errors import call_error
from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.etcd.wire import rpc_pb2_grpc as stubs
from shoal_coordinator.registry.port import (
    Lease,
    LeaseId,
    LeaseLost,
    StoreRefused,
    StoreUnavailable,
)


class Leases:
    """Grant and revoke: both safe to repeat."""

    def __init__(
        self, endpoints: Endpoints, settings: EtcdSettings, continuity: Continuity
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._continuity = continuity

    async def grant(self, ttl_seconds: int) -> Lease:
        """See ``Store.grant_lease``."""
        request = wire.LeaseGrantRequest(TTL=ttl_seconds)

        async def call(endpoint: Endpoint) -> wire.LeaseGrantResponse:
            return await endpoint.lease.LeaseGrant(
                request, timeout=self._settings.call_timeout_seconds, metadata=REQUIRE_LEADER
            )

        response = await call_with_retries(self._endpoints, self._settings, call_error, call)
        self._continuity.check(response.header)
        if response.error:
            raise StoreRefused(f"etcd refused a lease of {ttl_seconds} s: {response.error}")
        return Lease(LeaseId(response.ID), response.TTL)

    async def revoke(self, lease: LeaseId) -> None:
        """See ``Store.revoke_lease``."""
        request = wire.LeaseRevokeRequest(ID=lease)

        async def call(endpoint: Endpoint) -> wire.LeaseRevokeResponse:
            return await endpoint.lease.LeaseRevoke(
                request, timeout=self._settings.call_timeout_seconds, metadata=REQUIRE_LEADER
            )

        try:
            await call_with_retries(self._endpoints, self._settings, call_error, call)
        except LeaseLost:
            return


class EtcdLeaseKeeper:
    """See ``LeaseKeeper``. Has connections of its own, one an endpoint; one that fails is made
    anew where there are other credentials by now.

    Each renewal is a stream of one request, so that none waits behind an answer
    that never comes.
    """

    def __init__(
        self, targets: tuple[str, ...], credentials: TellCredentials = no_credentials
    ) -> None:
        self._rotation = Rotation(targets)
        self._credentials = credentials
        self._lock = threading.Lock()
        self._channels: dict[str, tuple[EtcdCredentials | None, grpc.Channel]] = {}
        self._closed = False

    def keep_alive(self, lease: LeaseId, timeout_seconds: float) -> int:
        """See ``LeaseKeeper.keep_alive``. One endpoint is asked; the next one next time."""
        target = self._rotation.current
        try:
            stream = stubs.LeaseStub(self._channel(target)).LeaseKeepAlive(
                iter([wire.LeaseKeepAliveRequest(ID=lease)]),
                timeout=timeout_seconds,
                metadata=REQUIRE_LEADER,
            )
            response = next(stream)
            stream.cancel()
        except StopIteration:
            self._rotation.failed(target)
            raise StoreUnavailable("etcd ended the keepalive without an answer") from None
        except grpc.RpcError as error:
            self._rotation.failed(target)
            self._renew(target)
            raise call_error(error.code(), error.details() or "") from error
        except ValueError as error:  # what grpc says of a channel closed meanwhile
            raise StoreUnavailable("the lease keeper is closed") from error
        if response.TTL <= 0:
            raise LeaseLost(f"etcd knows no lease {lease:x} (any more): grant a new one")
        return response.TTL

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, {}
        for _, channel in channels.values():
            channel.close()

    def _channel(self, target: str) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the lease keeper is closed")
            if target not in self._channels:
                credentials = self._credentials()
                opened = open_blocking_channel(target, credentials)
                self._channels[target] = credentials, opened
            return self._channels[target][1]

    def _renew(self, target: str) -> None:
        with self._lock:
            known = self._channels.get(target)
            if known is not None and known[0] != self._credentials():
                # One renewal runs at a time, so nothing runs on it.
                del self._channels[target]
                known[1].close()
