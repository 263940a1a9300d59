"""One run, from nothing to its report, and back to nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import shoal
import shoal.asyncio
from shoal import Ack
from shoal.demo.cluster import OwnCluster, own_cluster
from shoal.demo.failover.journal import Journal
from shoal.demo.failover.lanes import lanes_over, run_lanes
from shoal.demo.failover.report import Report, report_of
from shoal.demo.failover.settings import NODES, Settings
from shoal.demo.failover.story import Story
from shoal.demo.failover.verdict import judge
from shoal.demo.failures import ClusterFailed
from shoal.demo.interruption import ignore_signals, stopped_by_signals

Say = Callable[[str], None]
SENTENCES = 8
"""That are said in a run in which everything goes well: how far it is."""
_COPIES_SECONDS_MAX = 30.0


def run(settings: Settings, say: Say) -> Report:
    """Raises ``DemoFailed``; leaves nothing behind, also then."""
    with stopped_by_signals():
        say(f"Starting a cluster of {NODES} nodes (shoal up --json) ...")
        with own_cluster(
            f"--nodes={NODES}",
            f"--partitions={settings.partitions}",
            f"--lease-ttl={settings.lease_ttl_seconds}",
        ) as cluster:
            try:
                say(f"The cluster serves at {cluster.wait_until_ready()}")
                return asyncio.run(_run(cluster, settings, say))
            except shoal.ShoalError as error:
                raise ClusterFailed(f"The cluster does not answer: {error}") from error
            finally:
                ignore_signals()
                say("Stopping and removing everything ...")


async def _run(cluster: OwnCluster, settings: Settings, say: Say) -> Report:
    client = shoal.asyncio.Client.from_url(cluster.url, timeout=settings.timeout)
    async with client:
        lanes = lanes_over(await client.topology(), settings.lanes)
        await _wait_for_copies(client, say)
        journal, stop = Journal(), asyncio.Event()
        begin_ns = time.monotonic_ns()
        load = asyncio.create_task(
            run_lanes(client, lanes, journal, pause_seconds=settings.pause_ms / 1_000, stop=stop)
        )
        story = Story(cluster, client, settings, say)
        try:
            await story.play()
            stop.set()
            await load
        finally:
            load.cancel()
        end_ns = time.monotonic_ns()
        say("Reading every acknowledged write back ...")
        verdicts = [await judge(client, journal, ack) for ack in Ack]
    return report_of(
        settings,
        journal,
        story.steps,
        verdicts,
        story.complaints,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )


async def _wait_for_copies(client: shoal.asyncio.Client, say: Say) -> None:
    """Give a new cluster time for its second copies. What is missing then shows in the run."""
    deadline = time.monotonic() + _COPIES_SECONDS_MAX
    while time.monotonic() < deadline:
        known = await client.topology()
        if all(len(partition.in_sync) >= 2 for partition in known.partitions):
            return
        await asyncio.sleep(0.1)
    say("Not every partition has a second copy yet; the load begins all the same.")
