"""Reports of rebalances: they come back as they were, and the last few are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_scenes import leading
from shoal_coordinator.registry.codec import RecordCorrupt
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import put_report, read_reports, resign
from shoal_coordinator.registry.operations.reports import REPORTS_KEPT
from shoal_coordinator.registry.port import CreatedAt, Put, Store
from shoal_coordinator.registry.records import NodeId, PartitionId
from shoal_coordinator.registry.reports import (
    Move,
    MoveKind,
    NodeTraffic,
    Outcome,
    RebalanceReport,
    WorstLatency,
    decode_report,
    encode_report,
)

nodes = st.sampled_from(["a", "b"]).map(NodeId)
small = st.integers(0, 2**31)
reports = st.builds(
    RebalanceReport,
    number=st.integers(1, 99_999_999),
    began_unix_ms=st.integers(0, 2**53),
    ended_unix_ms=st.integers(0, 2**53),
    outcome=st.sampled_from(Outcome),
    copies=small,
    repairs=small,
    hand_overs=small,
    moves=st.lists(
        st.builds(
            Move,
            st.integers(0, 16383).map(PartitionId),
            st.sampled_from(MoveKind),
            nodes,
            nodes,
            small,
        ),
        max_size=3,
    ).map(tuple),
    snapshot_bytes=st.integers(0, 2**63),
    nodes=st.lists(
        st.builds(NodeTraffic, nodes, small, small, small, st.integers(0, 2**63)), max_size=3
    ).map(tuple),
    worst_p99=st.none() | st.builds(WorstLatency, nodes, st.just("Get"), st.integers(1, 2**40)),
    leaders=small,
)


@given(report=reports)
def test_a_report_comes_back_as_it_was(report: RebalanceReport) -> None:
    assert decode_report("key", encode_report(report)) == report


@pytest.mark.parametrize(
    "value",
    [
        b"{}",
        b"[]",
        b'{"number":"1"}',
        b'{"outcome":"REBALANCE_OUTCOME_DONE"}',
        b'{"number":"1","outcome":"REBALANCE_OUTCOME_DONE","moves":[{"partition":1}]}',
    ],
)
def test_what_is_no_report_is_corrupt(value: bytes) -> None:
    with pytest.raises(RecordCorrupt):
        decode_report("key", value)


async def test_the_last_reports_are_kept_and_seen(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    for number in range(1, REPORTS_KEPT + 6):
        report = RebalanceReport(number, began_unix_ms=number)
        assert await put_report(store, keys, report, leadership) == ()
        ended = replace(report, outcome=Outcome.DONE, ended_unix_ms=number + 1)
        assert await put_report(store, keys, ended, leadership) == ()
    reports = await read_reports(store, keys)
    assert [*reports] == [*range(6, REPORTS_KEPT + 6)]
    assert all(it.outcome is Outcome.DONE for it in reports.values())


async def test_a_report_wakes_nobody(store: Store, keys: Keys) -> None:
    leadership = await leading(store, keys)
    await put_report(store, keys, RebalanceReport(1, 1), leadership)
    watched = {item.key for item in (await store.read(keys.prefix)).items}
    assert watched == {keys.leader}


async def test_who_no_longer_leads_writes_no_report(store: Store, keys: Keys) -> None:
    old = await leading(store, keys)
    await resign(store, keys, old)
    await leading(store, keys)
    failed = await put_report(store, keys, RebalanceReport(1, 1), old)
    assert failed == (CreatedAt(keys.leader, old.create_revision),)
    assert await read_reports(store, keys) == {}


async def test_what_cannot_be_read_or_has_another_number_is_left_out(
    store: Store, keys: Keys
) -> None:
    await store.commit([], [Put(keys.rebalance(2), encode_report(RebalanceReport(1, 1)))])
    await store.commit([], [Put(keys.rebalance(3), b"{}")])
    await store.commit([], [Put(keys.rebalance(4), encode_report(RebalanceReport(4, 1)))])
    assert [*await read_reports(store, keys)] == [4]
