"""Creating the cluster, or joining the one that stands."""

from __future__ import annotations

import structlog

from shoal_coordinator.errors import EtcdAbsent
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.process.fitting import PROTOCOL, check_fit
from shoal_coordinator.process.patience import PATIENCE_SECONDS, patiently
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import create_config, read_config
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreUnavailable
from shoal_coordinator.registry.records import ClusterConfig
from shoal_coordinator.settings import CoordinatorSettings

_log = structlog.get_logger(__name__)
SNAPSHOT_BYTES_PER_SECOND_AT_FIRST = 32 << 20
"""Of a cluster that is made: without a bound a node copies as fast as it can, and requests
wait for their turn."""


async def create_or_join(
    store: Store,
    keys: Keys,
    settings: CoordinatorSettings,
    cluster_id: str,
    patience_seconds: float = PATIENCE_SECONDS,
) -> ClusterConfig:
    """Return the configuration that stands. Raises EtcdAbsent, StoreWentBack, and BadSettings
    where it is not one that this program fits.

    ``cluster_id``: random, for a cluster that is made now.
    """
    asked = ClusterConfig(
        partition_count=settings.partitions,
        replica_count=settings.replicas,
        lease_ttl_seconds=settings.lease_ttl_seconds,
        bootstrap_nodes=settings.bootstrap_nodes,
        cluster_id=cluster_id,
        eviction=settings.eviction,
        min_in_sync=settings.min_in_sync,
        unclean=settings.unclean,
        snapshot_bytes_per_second=SNAPSHOT_BYTES_PER_SECOND_AT_FIRST,
        auto_join=settings.auto_join,
        protocol=PROTOCOL,
    )
    try:
        known = await patiently(lambda: read_config(store, keys), patience_seconds)
        if settings.cluster_id is not None and known is None:
            raise BadSettings(
                f"there is no cluster {keys.cluster} in this etcd, and --cluster-id says that "
                "there is: correct --etcd or --cluster, or leave --cluster-id out to create one"
            )
        stands = await create_config(store, keys, asked)
    except (StoreUnavailable, OutcomeUnknown) as error:
        raise EtcdAbsent(
            f"no etcd answers at {settings.etcd} ({error}): start one, or correct --etcd"
        ) from error
    check_fit(stands, keys.cluster, settings.cluster_id)
    if stands.cluster_id == cluster_id:
        _log.info(
            f"cluster {keys.cluster} is created: {stands.partition_count} partitions, "
            f"{stands.replica_count} replicas each",
            cluster_id=cluster_id,
        )
    for sentence in differences(asked, stands):
        _log.warning(sentence)
    return stands


def differences(asked: ClusterConfig, stands: ClusterConfig) -> list[str]:
    """A sentence for each flag that asks for what the cluster was not created with."""
    flags = (
        ("--partitions", asked.partition_count, stands.partition_count),
        ("--replicas", asked.replica_count, stands.replica_count),
        ("--lease-ttl", asked.lease_ttl_seconds, stands.lease_ttl_seconds),
        ("--bootstrap-nodes", asked.bootstrap_nodes, stands.bootstrap_nodes),
        ("--min-in-sync", asked.min_in_sync, stands.min_in_sync),
    )
    sentences = [
        f"{flag} {wanted} has no effect: the cluster was created with {standing}, which stands"
        for flag, wanted, standing in flags
        if wanted != standing
    ]
    changeable = (
        ("eviction", asked.eviction, stands.eviction),
        ("unclean", asked.unclean, stands.unclean),
        ("auto-join", _on_or_off(asked.auto_join), _on_or_off(stands.auto_join)),
    )
    sentences += [
        f"--{name} {wanted} has no effect: the cluster has {standing}, which stands; "
        f"change it with `shoal config set {name} {wanted}`"
        for name, wanted, standing in changeable
        if wanted != standing
    ]
    return sentences


def _on_or_off(value: bool) -> str:  # noqa: FBT001
    return "on" if value else "off"
