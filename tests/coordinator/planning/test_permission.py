"""When moves may begin, and when those under way are taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_views import member, view
from shoal_coordinator.planning.permission import (
    Health,
    Verdict,
    is_cancelled,
    is_open,
    members_mark,
    permission,
)
from shoal_coordinator.registry.records import (
    Member,
    MemberState,
    NodeId,
    PartitionId,
    RebalanceMode,
    RebalancePolicy,
)

WELL = Health(frozenset(), ())
ILL = Health(frozenset({PartitionId(3)}), (NodeId("b"),))


@pytest.mark.parametrize(
    ("policy", "health", "verdict", "why"),
    [
        (RebalancePolicy(), WELL, Verdict.BEGIN, ""),
        (RebalancePolicy(), ILL, Verdict.HOLD, "1 partitions have too few copies"),
        (RebalancePolicy(below_max=1), ILL, Verdict.BEGIN, ""),
        (RebalancePolicy(abort_on_lost_node=True), ILL, Verdict.TAKE_BACK, "node b is down"),
        (
            RebalancePolicy(RebalanceMode.PAUSED),
            WELL,
            Verdict.HOLD,
            "the rebalance is paused",
        ),
        (
            RebalancePolicy(RebalanceMode.CANCELLED),
            WELL,
            Verdict.TAKE_BACK,
            "the rebalance is cancelled",
        ),
        (
            RebalancePolicy(window_from_minute=60, window_minutes=30),
            WELL,
            Verdict.HOLD,
            "it is not the time of day for moves",
        ),
    ],
)
def test_what_is_permitted(
    policy: RebalancePolicy, health: Health, verdict: Verdict, why: str
) -> None:
    cancelled = is_cancelled(policy, view())
    told = permission(policy, health, 0, cancelled=cancelled)
    assert (told.verdict, told.why) == (verdict, why)


def test_a_cancel_holds_for_the_members_that_it_names() -> None:
    these, others = view(members=(member("a"), member("b"))), view(members=(member("a"),))
    policy = RebalancePolicy(RebalanceMode.CANCELLED, cancelled_for=members_mark(these))
    assert is_cancelled(policy, these)
    assert not is_cancelled(policy, others)
    assert is_cancelled(replace(policy, cancelled_for=""), others), "whoever the members are"
    paused = replace(policy, mode=RebalanceMode.PAUSED)
    assert not is_cancelled(paused, these)
    assert permission(policy, WELL, 0, cancelled=True).verdict is Verdict.TAKE_BACK
    assert permission(policy, WELL, 0, cancelled=False).verdict is Verdict.BEGIN


def test_members_are_named_by_who_takes_which_share() -> None:
    def mark(*members: Member) -> str:
        return members_mark(view(members=members))

    usual = mark(member("a"), member("b"))
    assert usual == mark(member("b"), member("a"))
    proxy, waits = member("p", weight=0), member("w", MemberState.JOINING)
    assert usual == mark(member("a"), member("b"), proxy, waits)
    for others in (
        (member("a"),),
        (member("a"), member("b", weight=50)),
        (member("a"), member("b", MemberState.DRAINING)),
        (member("a"), replace(member("b"), zone="z")),
    ):
        assert mark(*others) != usual


@given(start=st.integers(0, 1439), minutes=st.integers(1, 1440))
def test_a_window_is_open_for_its_minutes_and_may_pass_midnight(start: int, minutes: int) -> None:
    policy = RebalancePolicy(window_from_minute=start, window_minutes=minutes)
    is_open_at = [is_open(policy, minute) for minute in range(1440)]
    assert sum(is_open_at) == minutes
    assert is_open_at[start]
    assert is_open_at[(start + minutes - 1) % 1440]
