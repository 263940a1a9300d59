"""``Store`` over etcd's v3 API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from shoal_coordinator.registry.etcd.continuity import Continuity
from shoal_coordinator.registry.etcd.credentials import (
    EtcdCredentials,
    TellCredentials,
    no_credentials,
)
from shoal_coordinator.registry.etcd.endpoints import Endpoints
from shoal_coordinator.registry.etcd.kv import Kv
from shoal_coordinator.registry.etcd.lease import EtcdLeaseKeeper, Leases
from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.etcd.urls import asks_for_tls, endpoint_targets
from shoal_coordinator.registry.etcd.watch import Watcher
from shoal_coordinator.registry.port import (
    Change,
    Committed,
    Events,
    Guard,
    Lease,
    LeaseId,
    Reading,
    Revision,
)


def open_store(
    urls: str,
    settings: EtcdSettings | None = None,
    credentials: TellCredentials = EtcdCredentials,
) -> EtcdStore:
    """A store over ``http://HOST:PORT[,...]``. Call it in the event loop that uses it.

    Connects when first used, with ``credentials`` where the URLs are https. Raises BadEtcdUrl.
    """
    return EtcdStore(
        endpoint_targets(urls),
        settings or EtcdSettings(),
        credentials if asks_for_tls(urls) else no_credentials,
    )


class EtcdStore:
    """See ``Store``. Belongs to one event loop; its lease keepers to any thread."""

    def __init__(
        self, targets: tuple[str, ...], settings: EtcdSettings, credentials: TellCredentials
    ) -> None:
        self._credentials = credentials
        self._endpoints = Endpoints(targets, credentials)
        continuity = Continuity()
        self._kv = Kv(self._endpoints, settings, continuity)
        self._leases = Leases(self._endpoints, settings, continuity)
        self._watcher = Watcher(self._endpoints, settings, continuity, self._kv)

    async def read(self, prefix: str) -> Reading:
        return await self._kv.read(prefix)

    async def commit(
        self,
        guards: Sequence[Guard],
        changes: Sequence[Change],
        on_loss_read: Sequence[str] = (),
    ) -> Committed:
        return await self._kv.commit(guards, changes, on_loss_read)

    def watch(self, prefix: str, after: Revision) -> AsyncGenerator[Events]:
        return self._watcher.watch(prefix, after)

    async def grant_lease(self, ttl_seconds: int) -> Lease:
        return await self._leases.grant(ttl_seconds)

    async def revoke_lease(self, lease: LeaseId) -> None:
        await self._leases.revoke(lease)

    def lease_keeper(self) -> EtcdLeaseKeeper:
        return EtcdLeaseKeeper(self._endpoints.targets, self._credentials)

    async def close(self) -> None:
        await self._endpoints.close()
