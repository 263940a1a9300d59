"""The keeper beside a planner that is told what is planned, over a registry in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from cluster_views import CONFIG, live, member, record, view
from registry_scenes import leading
from shoal.v1 import admin_pb2
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planned, Planner
from shoal_coordinator.placement.place import PlacedPartition, Placement
from shoal_coordinator.planning.dues import dues_of
from shoal_coordinator.planning.moves import Traffic
from shoal_coordinator.planning.permission import members_mark
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.rebalance.keeper import Keeper
from shoal_coordinator.registry.apply import view_of
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import CommitFault, MemoryStore
from shoal_coordinator.registry.operations import put_report, read_reports
from shoal_coordinator.registry.records import (
    NodeId,
    PartitionId,
    PartitionRecord,
    RebalanceMode,
    RebalancePolicy,
)
from shoal_coordinator.registry.reports import MoveKind, Outcome, RebalanceReport
from shoal_coordinator.service.told import rebalance_told

KEYS = Keys("test")
A, B = NodeId("a"), NodeId("b")
BEFORE = record(0, "a", preference="a b")
UNDER_WAY = record(0, "a", preference="b a", handoff_to="b", in_sync="b")
AFTER = record(0, "b", epoch=2, preference="b a")


def planned(of: PartitionRecord, policy: RebalancePolicy | None = None) -> Planned:
    """One partition is wanted on b; it stands as the record says."""
    config = replace(CONFIG, partition_count=1, rebalance=policy or RebalancePolicy())
    seen = view(
        nodes=(live("a"), live("b")),
        members=(member("a"), member("b")),
        records=(of,),
        config=config,
    )
    wanted = Placement((PlacedPartition(PartitionId(0), (B, A), ()),))
    return Planned(seen, wanted, Traffic.of(seen, dues_of(seen, wanted), config.rebalance, 0), None)


class Kept:
    """A keeper that runs, and what stands in the registry meanwhile."""

    def __init__(self, store: MemoryStore, keeper: Keeper, planner: Planner) -> None:
        self.store = store
        self.keeper = keeper
        self._planner = planner
        self.latest = LatestView()

    def plan(self, of: Planned) -> None:
        self._planner.planned = of

    async def report(self, number: int, outcome: Outcome) -> RebalanceReport:
        """Once it stands so."""
        async with asyncio.timeout(10):
            while True:
                report = (await read_reports(self.store, KEYS)).get(number)
                if report is not None and report.outcome is outcome:
                    return report
                await asyncio.sleep(0.01)

    def told(self, of: Planned) -> admin_pb2.GetRebalanceResponse:
        return rebalance_told(of.view, self.keeper.progress, self.keeper.reports)

    async def until_told(
        self, of: Planned, state: admin_pb2.RebalanceState.ValueType
    ) -> admin_pb2.GetRebalanceResponse:
        deadline = time.monotonic() + 10
        while self.told(of).state != state:
            assert time.monotonic() < deadline, self.told(of)
            await asyncio.sleep(0.01)
        return self.told(of)


@asynccontextmanager
async def kept(store: MemoryStore | None = None) -> AsyncIterator[Kept]:
    store = store or MemoryStore()
    leadership = await leading(store, KEYS)
    latest = LatestView()
    await latest.put(view_of(KEYS, await store.read(KEYS.prefix)).view)
    planner = Planner(PlanSettings(), time.monotonic)
    keeper = Keeper(store, KEYS, leadership, planner, latest)
    running = asyncio.create_task(keeper.run())
    try:
        yield Kept(store, keeper, planner)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_move_is_reported_from_its_beginning_to_its_end() -> None:
    async with kept() as it:
        it.plan(planned(BEFORE))
        begun = await it.report(1, Outcome.RUNNING)
        assert (begun.copies, begun.moves, begun.leaders) == (0, (), 1)
        it.plan(planned(UNDER_WAY))
        told = await it.until_told(planned(UNDER_WAY), admin_pb2.REBALANCE_STATE_MOVING)
        while not told.flights:
            await asyncio.sleep(0.01)
            told = it.told(planned(UNDER_WAY))
        assert (told.copies_left, told.hand_overs_left) == (0, 1)
        assert not told.HasField("eta_seconds"), "nothing was measured"
        it.plan(planned(AFTER))
        report = await it.report(1, Outcome.DONE)
        assert [(move.kind, move.source, move.target) for move in report.moves] == [
            (MoveKind.COPY, A, B),
            (MoveKind.HAND_OVER, A, B),
        ]
        assert report.ended_unix_ms >= report.began_unix_ms > 0
        await it.until_told(planned(AFTER), admin_pb2.REBALANCE_STATE_IDLE)
        it.plan(planned(BEFORE))
        await it.report(2, Outcome.RUNNING)


async def test_what_another_leader_left_unfinished_is_carried_on() -> None:
    store = MemoryStore()
    earlier = await leading(store, KEYS)
    left = RebalanceReport(4, began_unix_ms=5, copies=2, snapshot_bytes=77)
    await put_report(store, KEYS, left, earlier)
    await store.revoke_lease((await store.read(KEYS.leader)).items[0].lease)
    async with kept(store) as it:
        it.plan(planned(UNDER_WAY))
        await asyncio.sleep(0)
        await it.until_told(planned(UNDER_WAY), admin_pb2.REBALANCE_STATE_MOVING)
        it.plan(planned(AFTER))
        report = await it.report(4, Outcome.DONE)
        assert (report.leaders, report.copies, report.hand_overs) == (2, 2, 1)
        assert (report.began_unix_ms, report.snapshot_bytes) == (5, 77)


async def test_a_report_that_could_not_be_written_is_written_later() -> None:
    async with kept() as it:
        it.plan(planned(BEFORE))
        await it.report(1, Outcome.RUNNING)
        it.store.fail_commits(CommitFault.REFUSED)
        it.plan(planned(AFTER))
        await it.report(1, Outcome.DONE)


async def test_a_cancel_ends_the_report_once_nothing_is_under_way() -> None:
    async with kept() as it:
        it.plan(planned(UNDER_WAY))
        await it.report(1, Outcome.RUNNING)
        mark = members_mark(planned(BEFORE).view)
        policy = RebalancePolicy(RebalanceMode.CANCELLED, cancelled_for=mark)
        it.plan(planned(UNDER_WAY, policy))
        await it.until_told(planned(UNDER_WAY, policy), admin_pb2.REBALANCE_STATE_CANCELLED)
        assert it.keeper.reports[1].is_running, "it is still being taken back"
        it.plan(planned(BEFORE, policy))
        await it.report(1, Outcome.CANCELLED)
        assert it.told(planned(BEFORE, policy)).copies_left == 1
        # For other members the same cancel says nothing.
        others = replace(policy, cancelled_for="others")
        it.plan(planned(BEFORE, others))
        await it.report(2, Outcome.RUNNING)
        await it.until_told(planned(BEFORE, others), admin_pb2.REBALANCE_STATE_MOVING)


async def test_what_holds_moves_up_is_told() -> None:
    async with kept() as it:
        for policy, state, why in (
            (
                RebalancePolicy(RebalanceMode.PAUSED),
                admin_pb2.REBALANCE_STATE_PAUSED,
                "it is paused until `shoal rebalance resume`",
            ),
            (
                RebalancePolicy(window_from_minute=60, window_minutes=1),
                admin_pb2.REBALANCE_STATE_WAITING,
                "it is not the time of day for moves",
            ),
        ):
            it.plan(planned(BEFORE, policy))
            told = await it.until_told(planned(BEFORE, policy), state)
            async with asyncio.timeout(10):
                while told.why != why:
                    await asyncio.sleep(0.01)
                    told = it.told(planned(BEFORE, policy))
            assert not told.HasField("eta_seconds")


async def test_nothing_is_idle_that_is_not_planned_with_the_nodes_that_stand() -> None:
    async with kept() as it:
        it.plan(planned(AFTER))
        await it.until_told(planned(AFTER), admin_pb2.REBALANCE_STATE_IDLE)
        known = planned(AFTER).view
        for changed in (
            replace(known, nodes={**known.nodes, NodeId("c"): live("c")}),
            replace(known, members={**known.members, NodeId("c"): member("c")}),
        ):
            told = it.told(replace(planned(AFTER), view=changed))
            assert told.state == admin_pb2.REBALANCE_STATE_WAITING
            assert told.why == "nodes have changed: it is planned anew"
            it.plan(replace(planned(AFTER), view=changed))
            await it.until_told(
                replace(planned(AFTER), view=changed), admin_pb2.REBALANCE_STATE_IDLE
            )


async def test_a_rebalance_is_not_over_while_what_nobody_wants_any_more_is_under_way() -> None:
    def taken_back(of: PartitionRecord) -> Planned:
        seen = planned(of).view
        wanted = Placement((PlacedPartition(PartitionId(0), (A, B), ()),))
        return Planned(
            seen, wanted, Traffic.of(seen, dues_of(seen, wanted), RebalancePolicy(), 0), None
        )

    async with kept() as it:
        it.plan(planned(UNDER_WAY))
        await it.report(1, Outcome.RUNNING)
        it.plan(taken_back(UNDER_WAY))
        seen = it.keeper.progress
        async with asyncio.timeout(10):
            while it.keeper.progress is seen or it.keeper.progress is None:
                await asyncio.sleep(0.01)
        assert it.told(taken_back(UNDER_WAY)).state == admin_pb2.REBALANCE_STATE_MOVING
        assert it.keeper.reports[1].is_running
        it.plan(taken_back(BEFORE))
        assert (await it.report(1, Outcome.DONE)).hand_overs == 0
        await it.until_told(taken_back(BEFORE), admin_pb2.REBALANCE_STATE_IDLE)
