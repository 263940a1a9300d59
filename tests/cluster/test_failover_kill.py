"""A primary dies under load: who takes over, how soon, with which data."""

from __future__ import annotations

import pytest
from tools.soak.cluster import Cluster
from tools.soak.prober import Prober

from played_rounds import Play

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

BEYOND_LEASE_MS_MAX = 5_000
"""Generous: the machine may be busy. What is measured is printed."""


def sampled(cluster: Cluster) -> list[int]:
    """Two partitions of each node."""
    return [
        partition for name in cluster.nodes for partition in sorted(cluster.primaries(name))[:2]
    ]


def test_a_killed_primary_is_succeeded_by_a_copy_that_has_everything(
    hurt: Cluster, played: Play
) -> None:
    with Prober(hurt.seeds, sampled(hurt), timeout="250ms", ack="in_sync") as prober:
        done = played("kill")
        (fault,) = done.faults
        promoted = {
            one.partition: one
            for one in reversed(hurt.chronicle.promotions(fault.began_ns))
            if one.previous is not None and one.primary.node != one.previous.node
        }
        victim = fault.did.removeprefix("killed ")
        gone = hurt.chronicle.gone(victim, fault.began_ns)
        assert gone is not None
        taken = [partition for partition in prober.written if partition in promoted]
        prober.wait_for_writes(gone.at_ns)
    assert taken, "a partition of the victim was written all the time"
    beyond_ms = []
    for partition in taken:
        first = prober.written[partition].first_after(gone.at_ns)
        assert first is not None
        beyond_ms.append((first - gone.at_ns) / 1e6)
    after_kill_ms = (gone.at_ns - fault.began_ns) / 1e6
    told = ", ".join(f"{each:.0f}" for each in sorted(beyond_ms))
    print(f"lease expired {after_kill_ms:.0f} ms after the kill; first writes {told} ms later")
    assert max(beyond_ms) < BEYOND_LEASE_MS_MAX
    # Promoted were copies that had all of it.
    assert all(one.was_in_sync for one in promoted.values())


def test_an_empty_restarted_primary_never_becomes_the_source(hurt: Cluster, played: Play) -> None:
    done = played("kill-and-restart")
    promoted = hurt.chronicle.promotions(done.faults[0].began_ns)
    assert all(one.was_in_sync for one in promoted)


def test_replicas_take_over_with_every_coordinator_down(played: Play) -> None:
    assert played("kill-without-coordinators").faults[0].promotions > 0
