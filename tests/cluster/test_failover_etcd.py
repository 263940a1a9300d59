"""etcd cannot be reached, by one node or by all; and everything is restarted in turn."""

from __future__ import annotations

import pytest
from tools.soak.cluster import Cluster

from played_rounds import Play

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def test_a_primary_that_loses_etcd_is_succeeded_and_never_beside_its_successor(
    played: Play,
) -> None:
    assert played("cut-from-etcd").faults[0].promotions > 0


def test_an_etcd_restart_loses_nothing(hurt: Cluster, played: Play) -> None:
    before = {
        partition: held.record.primary for partition, held in hurt.chronicle.view.partitions.items()
    }
    done = played("kill-etcd")
    assert done.judged.primary_adds.lost == 0
    after = hurt.chronicle.view.partitions
    assert {partition: held.record.primary for partition, held in after.items()} == before


def test_an_etcd_that_stands_still_makes_nodes_fence_themselves_and_resume(played: Play) -> None:
    played("pause-etcd")


def test_leases_that_are_all_gone_at_once_cost_no_data(hurt: Cluster, played: Play) -> None:
    done = played("lose-leases")
    assert done.judged.primary_adds.lost == 0


def test_everything_is_restarted_in_turn_and_nothing_acknowledged_in_sync_is_lost(
    played: Play,
) -> None:
    played("roll")
