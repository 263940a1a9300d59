"""A node cannot reach etcd for a while, and what it has missed is compacted meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tools.soak.checks.judge import judge
from tools.soak.cluster import ETCD, Cluster, Shape
from tools.soak.prober import Prober
from tools.soak.proxies import Proxies
from tools.soak.workload import Load, Workload

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

DEAF, KILLED, OTHER = "node-1", "node-2", "node-3"
LEASE_TTL_SECONDS = 30
"""Far longer than the cut: the node keeps its lease, and what it serves."""


def test_a_node_that_missed_what_was_compacted_lists_again_and_serves_on(tmp_path: Path) -> None:
    proxies = Proxies()
    shape = Shape(nodes=3, replicas=1, lease_ttl_seconds=LEASE_TTL_SECONDS)
    with Cluster(shape, proxies, tmp_path / "cluster") as cluster:
        cluster.wait_until_served(2)
        workload = Workload(cluster.seeds, Load("compaction", 7, operations_per_second=300))
        own = sorted(cluster.primaries(DEAF))[:2]
        began_ns = time.monotonic_ns()
        try:
            workload.start()
            with Prober(cluster.seeds, own, timeout="5s", ack="primary") as prober:
                prober.wait_for_writes(began_ns)
                moved = miss_a_compaction(cluster, proxies)
                cluster.wait_until_served(2)
                prober.wait_for_writes(time.monotonic_ns())
            history = workload.stop()
            history += workload.read_everything()
        finally:
            workload.close()
        assert all(written.errors == [] for written in prober.written.values())
        assert cluster.chronicle.gone(DEAF, began_ns) is None
        assert all(one.was_in_sync for one in cluster.chronicle.promotions(began_ns))
        judged = judge(history)
        print(f"{judged.operations} operations on {judged.keys} keys; {moved} partitions moved")
        assert judged.anomalies == []
        assert judged.undecided == []
        assert cluster.complaints() == []


def miss_a_compaction(cluster: Cluster, proxies: Proxies) -> int:
    """Cut a node from etcd, have partitions change hands, compact, and heal.

    Returns how many it found to be others' or its own once it had listed again.
    """
    cluster.cut_between(DEAF, [ETCD])
    proxies.drop(DEAF, ETCD)
    had = set(cluster.primaries(KILLED))
    began_ns = time.monotonic_ns()
    cluster.nodes[KILLED].kill()
    cluster.nodes[KILLED].start()

    def taken(by: str) -> set[int]:
        return had & set(cluster.primaries(by))

    cluster.chronicle.until(
        lambda _: cluster.chronicle.is_back(KILLED, began_ns) and bool(taken(OTHER)),
        f"{OTHER} to take over from {KILLED}",
    )
    # The other copies are where nobody knows yet that they are wanted.
    assert not taken(DEAF)
    assert had - taken(OTHER)
    seen = int(cluster.chronicle.view.revision)
    cluster.ask_etcd("/v3/kv/compaction", {"revision": str(seen), "physical": True})
    said = len(cluster.nodes[DEAF].said())
    proxies.heal()
    cluster.chronicle.until(
        lambda _: '"registry_listed_again"' in cluster.nodes[DEAF].said()[said:],
        f"{DEAF} to list again",
    )
    cluster.chronicle.until(
        lambda _: taken(DEAF) | taken(OTHER) == had, f"{DEAF} to take over what it has in sync"
    )
    return len(had)
