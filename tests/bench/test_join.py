"""What several joins come to, and when noise leaves that its worth."""

from __future__ import annotations

import pytest
from bench.finding import Outcome
from bench.measured import Slice
from bench.scenarios.join import Join, Period, findings


def join(before_us: int, meanwhile_us: int) -> Join:
    def period(us: int) -> Period:
        return Period([Slice(0, ((us, 1000),))], 1000)

    return Join(period(before_us), period(meanwhile_us), period(before_us), settled_seconds=1.0)


@pytest.mark.parametrize(
    ("joins", "outcome"),
    [
        pytest.param([(10, 17), (10, 18), (10, 17)], Outcome.MET, id="met"),
        pytest.param([(10, 24), (10, 25), (10, 24)], Outcome.MISSED, id="missed"),
        pytest.param([(10, 11), (10, 19), (10, 15)], Outcome.MET, id="far apart, the worst met"),
        pytest.param([(20, 22), (10, 19), (10, 15)], Outcome.UNKNOWN, id="noise before a join"),
        pytest.param([(10, 21), (10, 15), (10, 18)], Outcome.UNKNOWN, id="noise around the goal"),
    ],
)
def test_the_worst_while_a_node_joins_counts_beside_the_calmest_before(
    joins: list[tuple[int, int]], outcome: Outcome
) -> None:
    p99, _ = findings([join(*each) for each in joins], 1 << 30, 2)
    assert p99.outcome is outcome
    assert p99.rows[1].value.high == max(meanwhile for _, meanwhile in joins)
