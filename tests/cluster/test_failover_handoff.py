"""A node is stopped in order under load: nobody notices."""

from __future__ import annotations

import pytest
from tools.soak.cluster import Cluster
from tools.soak.prober import Prober

from played_rounds import Play

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def test_a_handoff_costs_no_error_and_no_write_of_either_level(hurt: Cluster, played: Play) -> None:
    partitions = [min(hurt.primaries(name)) for name in hurt.nodes]
    with Prober(hurt.seeds, partitions, timeout="5s", ack="in_sync", max_attempts=1000) as prober:
        done = played("hand-over", losses_allowed=False, attempts=1000)
    (fault,) = done.faults
    for partition, written in prober.written.items():
        gap_ms = written.longest_gap_ms(fault.began_ns)
        print(f"partition {partition}: at most {gap_ms:.0f} ms between two acknowledged writes")
        assert written.errors == []
    assert done.errors == {}
    assert done.judged.primary_adds.lost == 0
