"""What a leader knows of moves and alarms -> the answers of the admin service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from shoal.v1 import admin_pb2
from shoal_coordinator.alarms.alarm import Alarm, Level
from shoal_coordinator.planning.permission import Verdict, is_cancelled
from shoal_coordinator.rebalance.keeper import Progress
from shoal_coordinator.rebalance.pace import bytes_left, seconds_left
from shoal_coordinator.registry.codec import config_to_pb
from shoal_coordinator.registry.records import RebalanceMode
from shoal_coordinator.registry.reports import RebalanceReport, report_to_pb
from shoal_coordinator.registry.view import ClusterView

_LEVELS = {
    Level.OK: admin_pb2.ALARM_LEVEL_OK,
    Level.WARNING: admin_pb2.ALARM_LEVEL_WARNING,
    Level.CRITICAL: admin_pb2.ALARM_LEVEL_CRITICAL,
    Level.UNKNOWN: admin_pb2.ALARM_LEVEL_UNKNOWN,
}
State: TypeAlias = admin_pb2.RebalanceState.ValueType


def rebalance_told(
    view: ClusterView,
    progress: Progress | None,
    reports: Mapping[int, RebalanceReport],
) -> admin_pb2.GetRebalanceResponse:
    """``progress`` is None before the leader has looked the first time."""
    answer = admin_pb2.GetRebalanceResponse()
    if view.config is not None:
        config = config_to_pb(view.config)
        answer.policy.CopyFrom(config.rebalance)
        answer.snapshot_bytes_per_second = config.snapshot_bytes_per_second
    running = None if progress is None else progress.running
    answer.reports.extend(map(report_to_pb, _newest_first(reports, running)))
    if progress is None:
        answer.why = "this leader has just begun: ask again"
        return answer
    answer.state, answer.why = _state(view, progress)
    seen = progress.outlook
    answer.copies_left, answer.repairs_left = len(seen.copies), seen.repairs
    answer.hand_overs_left = len(seen.hand_overs)
    answer.flights.extend(
        admin_pb2.Flight(
            partition=partition,
            source=flight.source,
            targets=flight.targets,
            is_repair=flight.is_repair,
            age_ms=progress.now_ms - progress.since_ms.get(partition, progress.now_ms),
        )
        for partition, flight in sorted(seen.flights.items())
    )
    left = bytes_left(seen, progress.survey)
    if left is not None:
        answer.bytes_left = left
    rate = progress.pace.rate("snapshot_bytes")
    if rate is not None:
        answer.bytes_per_second = rate
    if answer.state in {admin_pb2.REBALANCE_STATE_MOVING, admin_pb2.REBALANCE_STATE_IDLE}:
        seconds = seconds_left(seen, left, progress.pace)
        if seconds is not None:
            answer.eta_seconds = seconds
    return answer


def _state(view: ClusterView, progress: Progress) -> tuple[State, str]:
    permission = progress.planned.traffic.permission
    policy = None if view.config is None else view.config.rebalance
    if policy is not None and is_cancelled(policy, view):
        why = "it is cancelled until the members change, or `shoal rebalance resume`"
        return admin_pb2.REBALANCE_STATE_CANCELLED, why
    if policy is not None and policy.mode is RebalanceMode.PAUSED:
        return admin_pb2.REBALANCE_STATE_PAUSED, "it is paused until `shoal rebalance resume`"
    seen = progress.outlook
    if not (seen.copies or seen.hand_overs or seen.is_moving):
        if not _is_planned_for(view, progress.planned.view):
            return admin_pb2.REBALANCE_STATE_WAITING, "nodes have changed: it is planned anew"
        return admin_pb2.REBALANCE_STATE_IDLE, ""
    only_repairs = not seen.has_moves
    if permission.verdict is not Verdict.BEGIN and not only_repairs:
        return admin_pb2.REBALANCE_STATE_WAITING, permission.why
    return admin_pb2.REBALANCE_STATE_MOVING, progress.planned.waiting or ""


def _is_planned_for(view: ClusterView, planned: ClusterView) -> bool:
    """Whether a plan was made with the nodes and members that stand now."""
    return (planned.nodes, planned.members) == (view.nodes, view.members)


def _newest_first(
    written: Mapping[int, RebalanceReport], running: RebalanceReport | None
) -> Iterable[RebalanceReport]:
    reports = dict(written)
    if running is not None:
        # What is written of it may be some seconds old.
        reports[running.number] = running
    return [reports[number] for number in sorted(reports, reverse=True)]


def alarms_told(alarms: Iterable[Alarm]) -> admin_pb2.CheckClusterResponse:
    return admin_pb2.CheckClusterResponse(
        alarms=[
            admin_pb2.Alarm(
                name=alarm.name,
                level=_LEVELS[alarm.level],
                value=alarm.value,
                warning_from=alarm.thresholds.warning_from,
                critical_from=alarm.thresholds.critical_from,
                says=alarm.says,
                advice=alarm.advice,
            )
            for alarm in alarms
        ]
    )
