"""Figures out of what a node tells, and what became of them between two looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_coordinator.registry.records import Incarnation
from shoal_coordinator.survey.figures import NodeFigures, figures_of, grown, p99_ns
from shoal_node.agent_counts import AgentCounts
from shoal_node.fence import LeaseTimes
from shoal_node.metrics import NodeCollector
from shoal_node.snapshot import Durations, PartitionUse, SlowLog, Snapshot

RUN = Incarnation("a-run1")


def snapshot() -> Snapshot:
    get = Durations(
        count=1000,
        sum_ns=1,
        buckets=((1_024, 500), (2_048, 995), (4_096, 1000)),
        p50_ns=1,
        p99_ns=1,
        p999_ns=1,
        max_ns=1,
    )
    partitions = (
        PartitionUse(3, 1, memory_bytes=300, hits=7, misses=2),
        PartitionUse(5, 1, memory_bytes=500),
    )
    return Snapshot(
        maxmemory_bytes=1000,
        lease_remaining_ms=1,
        eviction="lru",
        slow=SlowLog(10),
        operations={("get", "hit"): 7, ("get", "miss"): 2, ("set", "applied"): 4},
        memory_bytes=900,
        memory={"keys_and_values": 600, "index": 300},
        replication={"snapshot_bytes": 12_345},
        durations={"Get": get},
        partitions=partitions,
        open_partitions=2,
    )


def told_by_node(counts: AgentCounts, *, of_partitions: bool) -> bytes:
    lease = LeaseTimes(10**9, renewed_ns=1_500_000_000)
    collector = NodeCollector(
        snapshot, lambda: lease, counts, lambda: 2 * 10**9, of_partitions=of_partitions
    )
    return collector.figures()


def test_figures_are_read_from_what_a_node_tells() -> None:
    counts = AgentCounts(followed_partitions=1, replica_lag_ms=250)
    told = figures_of(told_by_node(counts, of_partitions=True), RUN)
    assert told == NodeFigures(
        incarnation=RUN,
        memory_bytes=900,
        value_bytes=600,
        operations=13,
        snapshot_bytes=12_345,
        lease_age_seconds=0.5,
        replica_lag_seconds=0.25,
        partitions=3,
        partition_memory_bytes={3: 300, 5: 500},
        partition_reads={3: 9, 5: 0},
        durations={"Get": ((1.024e-06, 500), (2.048e-06, 995), (4.096e-06, 1000))},
    )
    assert told.bytes_of(5) == 500
    assert told.bytes_of(4) == 300, "a usual share of what is not told"


def test_a_node_of_a_cluster_of_many_partitions_tells_of_none() -> None:
    told = figures_of(told_by_node(AgentCounts(), of_partitions=False), RUN)
    assert (told.partition_memory_bytes, told.partition_reads) == ({}, {})
    assert told.bytes_of(5) == 450, "a usual share"


def test_what_is_not_told_is_nothing() -> None:
    assert figures_of(b"{}", RUN) == NodeFigures(RUN)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"# HELP x y\n",
        b'{"operations":[]}',
        b'{"partition_reads":3}',
        b'{"partition_reads":{"x":1}}',
        b'{"durations":{"Get":[[1]]}}',
        b'{"durations":{"Get":7}}',
        b"\xff",
    ],
)
def test_what_are_no_figures_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        figures_of(body, RUN)


def test_counters_begin_again_with_the_node() -> None:
    before, after = NodeFigures(RUN, operations=100), NodeFigures(RUN, operations=130)
    assert grown(before, after, "operations") == 30
    assert grown(None, after, "operations") == 130
    again = replace(after, incarnation=Incarnation("a-run2"), operations=20)
    assert grown(after, again, "operations") == 20


def test_a_percentile_is_of_what_came_between() -> None:
    before = NodeFigures(RUN, durations={"Get": ((0.001, 5000), (0.002, 5000), (0.004, 5000))})
    after = NodeFigures(RUN, durations={"Get": ((0.001, 5100), (0.002, 5990), (0.004, 6000))})
    assert p99_ns(before, after, "Get") == 2_000_000
    slower = NodeFigures(RUN, durations={"Get": ((0.001, 5100), (0.002, 5980), (0.004, 6000))})
    assert p99_ns(before, slower, "Get") == 4_000_000
    assert p99_ns(before, before, "Get") is None
    assert p99_ns(before, after, "Set") is None
    assert p99_ns(before, replace(after, incarnation=Incarnation("other")), "Get") is None
