"""The load, over a fake cluster: where lanes go, and what the journal and the verdict say."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import shoal
import shoal.asyncio
from fake_cluster import FakeCluster
from shoal import Ack
from shoal.demo.failover.journal import Doing, Journal
from shoal.demo.failover.lanes import lanes_over, run_lanes
from shoal.demo.failover.settings import Settings, SettingsRefused
from shoal.demo.failover.verdict import judge


async def load(cluster: FakeCluster, journal: Journal, records: int) -> None:
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        lanes = lanes_over(await client.topology(), 6)
        stop = asyncio.Event()
        running = asyncio.create_task(
            run_lanes(client, lanes, journal, pause_seconds=0.001, stop=stop)
        )
        async with asyncio.timeout(20):
            while len(journal.records) < records:
                await asyncio.sleep(0.005)
        stop.set()
        await running


async def test_lanes_are_spread_over_nodes_and_acks(cluster: FakeCluster) -> None:
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        known = await client.topology()
    lanes = lanes_over(known, 12)
    at = Counter((known.partitions[lane.partition].primary, lane.ack) for lane in lanes)
    assert at == {(node, ack): 2 for node in ("n0", "n1", "n2") for ack in Ack}
    assert all(known.partition_of(lane.key(7)).id == lane.partition for lane in lanes)


async def test_every_write_is_journaled_and_read_back(cluster: FakeCluster) -> None:
    journal = Journal()
    await load(cluster, journal, 60)
    writes = [record for record in journal.records if record.doing is Doing.WRITE]
    assert len({record.key for record in writes}) == len(writes)
    assert {record.key.encode() for record in writes} == set(cluster.entries)
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        for ack in Ack:
            verdict = await judge(client, journal, ack)
            assert verdict.lost == 0
            assert verdict.acknowledged == sum(record.ack is ack for record in writes)


async def test_a_write_that_is_gone_is_found(cluster: FakeCluster) -> None:
    journal = Journal()
    await load(cluster, journal, 60)
    gone, *_ = journal.acknowledged(Ack.IN_SYNC)
    del cluster.entries[gone.encode()]
    async with shoal.asyncio.Client.from_url(cluster.url, timeout="10s") as client:
        verdict = await judge(client, journal, Ack.IN_SYNC)
        assert (verdict.lost, verdict.examples) == (1, (gone,))
        assert (await judge(client, journal, Ack.PRIMARY)).lost == 0


def test_too_few_lanes_are_refused() -> None:
    with pytest.raises(SettingsRefused, match="at least --lanes 6"):
        Settings(lanes=5)
