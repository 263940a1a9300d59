"""A primary stands still in the middle of writes, for longer than its lease, and wakes up."""

from __future__ import annotations

import pytest

from played_rounds import Play

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def test_a_primary_that_wakes_up_after_its_lease_acknowledges_nothing(played: Play) -> None:
    done = played("pause")
    assert done.faults[0].promotions > 0
    assert done.judged.unknown > 0, "no write was under way when it was stopped"
