"""Creating a cluster, and joining one whatever the flags say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster_views import CONFIG
from shoal_coordinator.creation import create_or_join, differences
from shoal_coordinator.errors import EtcdAbsent
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import read_config
from shoal_coordinator.registry.records import Eviction, Unclean
from shoal_coordinator.settings import CoordinatorSettings

KEYS = Keys("test")
SETTINGS = CoordinatorSettings(
    etcd="http://127.0.0.1:2379",
    listen=HostPort("127.0.0.1", 0),
    advertise=None,
    metrics_listen=None,
    cluster="test",
    id="one",
    partitions=64,
    replicas=1,
    bootstrap_nodes=2,
    lease_ttl_seconds=3,
    is_insecure=False,
)


async def test_the_first_creates_and_the_second_takes_what_stands() -> None:
    store = MemoryStore()
    first = await create_or_join(store, KEYS, SETTINGS, "made-by-one")
    second = await create_or_join(store, KEYS, replace(SETTINGS, partitions=128), "made-by-two")
    assert first == second
    assert (second.partition_count, second.cluster_id) == (64, "made-by-one")


async def test_a_cluster_begins_with_the_policy_that_it_was_created_with() -> None:
    store = MemoryStore()
    lfu = replace(SETTINGS, eviction=Eviction.LFU)
    assert (await create_or_join(store, KEYS, lfu, "one")).eviction is Eviction.LFU
    assert (await create_or_join(store, KEYS, SETTINGS, "two")).eviction is Eviction.LFU


async def test_a_cluster_is_as_careful_as_it_was_created() -> None:
    careful = replace(SETTINGS, min_in_sync=2, unclean=Unclean.REFUSE)
    config = await create_or_join(MemoryStore(), KEYS, careful, "one")
    assert (config.min_in_sync, config.unclean) == (2, Unclean.REFUSE)


async def test_a_new_cluster_bounds_its_snapshots() -> None:
    config = await create_or_join(MemoryStore(), KEYS, SETTINGS, "one")
    assert config.snapshot_bytes_per_second == 32 << 20


async def test_only_the_cluster_that_is_meant_is_joined_and_none_is_created_in_its_place() -> None:
    store = MemoryStore()
    meant = replace(SETTINGS, cluster_id="made-by-one")
    with pytest.raises(BadSettings, match="leave --cluster-id out to create one"):
        await create_or_join(store, KEYS, meant, "made-by-two")
    assert await read_config(store, KEYS) is None
    await create_or_join(store, KEYS, SETTINGS, "made-by-one")
    assert (await create_or_join(store, KEYS, meant, "two")).cluster_id == "made-by-one"
    with pytest.raises(BadSettings, match="has the id made-by-one, and --cluster-id is another"):
        await create_or_join(store, KEYS, replace(SETTINGS, cluster_id="another"), "two")


def test_each_flag_without_effect_is_told() -> None:
    asked = replace(
        CONFIG,
        partition_count=16,
        lease_ttl_seconds=9,
        cluster_id="another",
        eviction=Eviction.LRU,
        min_in_sync=2,
        unclean=Unclean.KEEP,
    )
    assert differences(asked, CONFIG) == [
        "--partitions 16 has no effect: the cluster was created with 8, which stands",
        "--lease-ttl 9 has no effect: the cluster was created with 3, which stands",
        "--min-in-sync 2 has no effect: the cluster was created with 1, which stands",
        "--eviction lru has no effect: the cluster has s3fifo, which stands; change it with "
        "`shoal config set eviction lru`",
        "--unclean keep has no effect: the cluster has clear, which stands; change it with "
        "`shoal config set unclean keep`",
    ]


async def test_without_etcd_there_is_one_sentence() -> None:
    store = MemoryStore()
    store.set_available(available=False)
    with pytest.raises(EtcdAbsent, match="start one, or correct --etcd"):
        await create_or_join(store, KEYS, SETTINGS, "id", patience_seconds=0)
