"""The cluster's configuration: created once, by whoever comes first, and changed since."""

from __future__ import annotations

from collections.abc import Callable

from shoal_coordinator.registry.codec import decode_config, encode_config
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.settle import Swap, read_key, settle
from shoal_coordinator.registry.port import ABSENT, ModifiedAt, Put, Store
from shoal_coordinator.registry.records import ClusterConfig


async def create_config(store: Store, keys: Keys, config: ClusterConfig) -> ClusterConfig:
    """Create the configuration unless one stands; return the one that stands.

    Raises RecordCorrupt when one stands that cannot be read.
    """
    swap = Swap(ModifiedAt(keys.config, ABSENT), Put(keys.config, encode_config(config)))
    settled = await settle(store, [swap])
    if settled.won:
        return config
    standing = settled.item(keys.config)
    assert standing is not None, "a configuration is never deleted"
    return decode_config(keys.config, standing.value)


async def read_config(store: Store, keys: Keys) -> ClusterConfig | None:
    """The configuration that stands, or ``None`` while the cluster is not created yet."""
    standing = await read_key(store, keys.config)
    return None if standing is None else decode_config(keys.config, standing.value)


async def change_config(
    store: Store, keys: Keys, change: Callable[[ClusterConfig], ClusterConfig]
) -> ClusterConfig | None:
    """Write ``change`` of what stands, and return it; ``None`` where nothing stands yet.

    Repeated on what somebody else wrote meanwhile, so ``change`` says what is wanted of
    any configuration. Needs no leadership: whoever is last is obeyed, and no change is
    lost. The cluster's identity and its partitions never change.
    """
    while True:
        standing = await read_key(store, keys.config)
        if standing is None:
            return None
        config = decode_config(keys.config, standing.value)
        wanted = change(config)
        assert (wanted.cluster_id, wanted.partition_count) == (
            config.cluster_id,
            config.partition_count,
        )
        if wanted == config:
            return config
        guard = ModifiedAt(keys.config, standing.mod_revision)
        settled = await settle(store, [Swap(guard, Put(keys.config, encode_config(wanted)))])
        if settled.won:
            return wanted
