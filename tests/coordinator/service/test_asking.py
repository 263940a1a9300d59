"""What only the leader knows, asked of one that does not lead."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from cluster_views import CONFIG, live, member, record, view
from registry_scenes import leading
from shoal.v1 import admin_pb2, admin_pb2_grpc
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planner
from shoal_coordinator.planning.settings import PlanSettings
from shoal_coordinator.process.addresses import HostPort
from shoal_coordinator.rebalance.keeper import Keeper
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.memory import MemoryStore
from shoal_coordinator.registry.operations import MemberStands
from shoal_coordinator.registry.port import Revision
from shoal_coordinator.registry.records import ClusterConfig, CoordinatorLeader
from shoal_coordinator.registry.view import ClusterView, ElectedLeader
from shoal_coordinator.service.admin import Changers
from shoal_coordinator.service.metrics import Metrics
from shoal_coordinator.service.server import Server

SEEN = view(
    nodes=(live("a"),),
    members=(member("a"), member("b")),
    records=(record(0, "a", preference="a"),),
    config=replace(CONFIG, partition_count=1),
)


async def nothing(_: object) -> ClusterConfig | None:
    return None


async def nobody(_: object) -> MemberStands:
    raise AssertionError("no member is changed here")


def led_by(address: object) -> ElectedLeader:
    return ElectedLeader(CoordinatorLeader("one", str(address)), Revision(1))


class Pair:
    """Two coordinators; the second takes the first for the leader, which may not lead, and
    takes the second for it."""

    def __init__(self) -> None:
        self.keeper: Keeper | None = None
        self.view: ClusterView = SEEN
        self._first_view: ClusterView = SEEN
        self._changers = Changers(nothing, nobody)
        self._first = Server(lambda: self._first_view, self._changers, lambda: self.keeper)
        self._second = Server(lambda: self.view, self._changers)

    async def start(self) -> None:
        first = await self._first.start(HostPort("127.0.0.1", 0))
        second = await self._second.start(HostPort("127.0.0.1", 0))
        self.view = replace(SEEN, leader=led_by(first))
        self._first_view = replace(SEEN, leader=led_by(second))
        self._channel = grpc.aio.insecure_channel(str(second))
        self.stub = admin_pb2_grpc.AdminStub(self._channel)

    async def stop(self) -> None:
        await self._channel.close()
        await self._second.stop(0)
        await self._first.stop(0)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    await pair.start()
    yield pair
    await pair.stop()


async def keeper() -> Keeper:
    store, keys = MemoryStore(), Keys("test")
    planner = Planner(PlanSettings(), time.monotonic)
    return Keeper(store, keys, await leading(store, keys), planner, LatestView())


async def test_the_leader_is_asked(pair: Pair) -> None:
    pair.keeper = await keeper()
    told = await pair.stub.CheckCluster(admin_pb2.CheckClusterRequest(), timeout=5)
    raised = {it.name: it for it in told.alarms if it.level == admin_pb2.ALARM_LEVEL_WARNING}
    assert raised["members_down"].says == "b should take a share and is down"
    assert raised["members_down"].warning_from == 1
    assert not raised["members_down"].HasField("critical_from")
    rebalance = await pair.stub.GetRebalance(admin_pb2.GetRebalanceRequest(), timeout=5)
    assert rebalance.why == "this leader has just begun: ask again"


async def test_a_question_is_passed_on_once(pair: Pair) -> None:
    """The first one does not lead either: nobody goes on asking in a circle."""
    with pytest.raises(grpc.aio.AioRpcError, match="no coordinator leads now") as raised:
        await pair.stub.CheckCluster(admin_pb2.CheckClusterRequest(), timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_leader_that_is_gone_is_told(pair: Pair) -> None:
    pair.view = replace(SEEN, leader=led_by("127.0.0.1:1"))
    with pytest.raises(grpc.aio.AioRpcError, match=r"that leads, at .*, does not answer") as raised:
        await pair.stub.GetRebalance(admin_pb2.GetRebalanceRequest(), timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_alarms_are_metrics_with_the_same_thresholds() -> None:
    kept = await keeper()
    alarms = kept.alarms(SEEN)
    families = {
        family.name: family
        for family in Metrics(lambda: SEEN, lambda: True, lambda: alarms).collect()
    }
    level = {
        it.labels["alarm"]: it.value for it in families["shoal_coordinator_alarm_level"].samples
    }
    assert level == {alarm.name: alarm.level for alarm in alarms}
    told = {
        (it.labels["alarm"], it.labels["level"]): it.value
        for it in families["shoal_coordinator_alarm_threshold"].samples
    }
    assert told == {
        (alarm.name, name): start
        for alarm in alarms
        for name, start in (
            ("warning", alarm.thresholds.warning_from),
            ("critical", alarm.thresholds.critical_from),
        )
        if start is not None
    }
    values = {
        it.labels["alarm"]: it.value for it in families["shoal_coordinator_alarm_value"].samples
    }
    assert values["members_down"] == 1
