"""The cluster's configuration: created once, by whoever comes first."""

from __future__ import annotations

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
