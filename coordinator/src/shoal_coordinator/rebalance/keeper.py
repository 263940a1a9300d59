"""While this coordinator leads: keeps the report of what moves, and asks nodes how they are.

A look at the nodes asks each one for its figures: every two seconds while something moves,
every ten otherwise. A report is written when it begins, when it ends, and every ten
seconds in between if something in it has changed. Nothing here moves anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from shoal_coordinator.alarms.alarm import Alarm
from shoal_coordinator.alarms.rules import OldestMove, Seen, alarms
from shoal_coordinator.election.latest import LatestView
from shoal_coordinator.election.lead import Planned, Planner
from shoal_coordinator.planning.permission import is_cancelled
from shoal_coordinator.process.live_tls import LiveTls
from shoal_coordinator.rebalance.course import Course, begun, carried_on, ended, surveyed, went_on
from shoal_coordinator.rebalance.outlook import Outlook, outlook
from shoal_coordinator.rebalance.pace import Done, Pace
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import put_report, read_reports
from shoal_coordinator.registry.operations.reports import REPORTS_KEPT
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreUnavailable
from shoal_coordinator.registry.records import PartitionId
from shoal_coordinator.registry.reports import Outcome, RebalanceReport
from shoal_coordinator.registry.view import ClusterView, ElectedLeader
from shoal_coordinator.survey.ask import survey
from shoal_coordinator.survey.figures import Survey

_log = structlog.get_logger(__name__)
_TICK_SECONDS = 0.5
_HURRIED_TICK_SECONDS = 0.1
"""While something moves: by so much times of moves are told too short."""
_REST = 9
"""Times as long as a tick took is rested: one looks at every partition."""
_LOOK_SECONDS = 2.0
_IDLE_LOOK_SECONDS = 10.0
_WRITE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rebalance stands, for who asks. Immutable, so any thread may read it."""

    planned: Planned
    outlook: Outlook
    since_ms: Mapping[PartitionId, int]
    """When partitions were first seen on their way."""
    pace: Pace
    running: RebalanceReport | None
    survey: Survey | None
    now_ms: int


class Keeper:
    """Runs beside the planner under one leadership. ``progress`` is None before the first look."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        leadership: ElectedLeader,
        planner: Planner,
        latest: LatestView,
        tls: LiveTls | None = None,
    ) -> None:
        """``tls`` is for asking nodes."""
        self.progress: Progress | None = None
        self.reports: dict[int, RebalanceReport] = {}
        """Those that stand, by number: what this leader found, and wrote since."""
        self._store = store
        self._keys = keys
        self._leadership = leadership
        self._planner = planner
        self._latest = latest
        self._tls = tls
        self._course: Course | None = None
        self._known: tuple[Planned, Outlook] | None = None
        self._since_ms: dict[PartitionId, int] = {}
        self._surveys: tuple[Survey | None, Survey | None] = (None, None)
        self._pace = Pace()
        self._written: tuple[RebalanceReport, float] | None = None
        self._owed: RebalanceReport | None = None
        """One that has ended, and could not be written yet."""

    def alarms(self, view: ClusterView) -> tuple[Alarm, ...]:
        """By what was seen last."""
        before, after = self._surveys
        return alarms(Seen(view, self._oldest_move(), before, after))

    async def run(self) -> None:
        """Until cancelled. Raises StoreWentBack."""
        await self._read()
        while True:
            planned, began = self._planner.planned, time.monotonic()
            if planned is not None:
                await self._look(planned)
            tick = _TICK_SECONDS if self._course is None else _HURRIED_TICK_SECONDS
            await asyncio.sleep(max(tick, _REST * (time.monotonic() - began)))

    async def _read(self) -> None:
        while True:
            try:
                self.reports = await read_reports(self._store, self._keys)
            except StoreUnavailable as error:
                _log.warning("reports of rebalances are read later", why=str(error))
                await asyncio.sleep(_TICK_SECONDS)
            else:
                return

    async def _look(self, planned: Planned) -> None:
        if self._owed is not None:
            await self._write(self._owed)
            if self._owed is not None:
                return
        now_ms = time.monotonic_ns() // 1_000_000
        seen = self._outlook(planned)
        self._since_ms = {it: self._since_ms.get(it, now_ms) for it in seen.flights}
        course = self._next(planned, seen, now_ms)
        is_over = course is not None and not self._goes_on(planned, seen)
        if self._is_time_to_ask(hurry=course is not None, now=is_over or self._course is None):
            course = await self._ask(course)
        self._course = course
        if course is not None and is_over:
            cancelled = _is_cancelled(planned) and seen.has_moves
            outcome = Outcome.CANCELLED if cancelled else Outcome.DONE
            report = ended(course, outcome, _unix_ms())
            self._course, self._pace = None, Pace()
            await self._write(report)
            _log.info(
                f"rebalance {report.number} is {outcome}: {report.copies} copies, "
                f"{report.hand_overs} hand-overs, {report.snapshot_bytes} bytes",
                number=report.number,
            )
        elif course is not None and self._is_time_to_write(course.report):
            await self._write(course.report)
        self.progress = Progress(
            planned,
            seen,
            dict(self._since_ms),
            self._pace,
            None if self._course is None else self._course.report,
            self._surveys[1],
            now_ms,
        )

    def _outlook(self, planned: Planned) -> Outlook:
        """Anew only where view or plan is another: it looks at every partition."""
        known = self._known
        if (
            known is None
            or known[0].view is not planned.view
            or known[0].wanted is not planned.wanted
        ):
            known = (planned, outlook(planned.view, planned.wanted, planned.traffic.dues))
            self._known = known
        return known[1]

    def _next(self, planned: Planned, seen: Outlook, now_ms: int) -> Course | None:
        if self._course is not None:
            return went_on(self._course, seen, now_ms)
        unfinished = [it for it in self.reports.values() if it.is_running]
        if unfinished and self._written is None:
            report = max(unfinished, key=lambda it: it.number)
            return carried_on(report, seen, now_ms)
        if not self._goes_on(planned, seen):
            return None
        number = 1 + max(self.reports, default=0)
        _log.info(f"rebalance {number} begins: {len(seen.copies)} copies are due", number=number)
        return begun(number, seen, _unix_ms(), now_ms)

    def _goes_on(self, planned: Planned, seen: Outlook) -> bool:
        """Whether there is something to move that may be, or moves already."""
        if _is_cancelled(planned):
            return seen.is_moving
        # What nobody wants any more, since the members changed back, may be under way still.
        return seen.has_moves or seen.is_moving

    def _is_time_to_ask(self, *, hurry: bool, now: bool) -> bool:
        before, last = self._surveys
        if last is None or (hurry and now):
            return True
        age = time.monotonic() - last.at
        return age >= (_LOOK_SECONDS if hurry or before is None else _IDLE_LOOK_SECONDS)

    async def _ask(self, course: Course | None) -> Course | None:
        view = self._latest.view
        assert view is not None, "there has been a view"
        last = self._surveys[1]
        newest = await survey(view, time.monotonic, self._tls)
        self._surveys = (last, newest)
        if course is None:
            return None
        if last is not None:
            course = surveyed(course, last, newest)
        report = course.report
        done = Done(
            newest.at, report.snapshot_bytes, report.copies + report.repairs, report.hand_overs
        )
        self._pace = self._pace.and_then(done)
        return course

    def _is_time_to_write(self, report: RebalanceReport) -> bool:
        if self._written is None or self._written[0].number != report.number:
            return True
        known, at = self._written
        return known != report and time.monotonic() - at >= _WRITE_SECONDS

    async def _write(self, report: RebalanceReport) -> None:
        try:
            failed = await put_report(self._store, self._keys, report, self._leadership)
        except (StoreUnavailable, OutcomeUnknown) as error:
            _log.warning("a report is written later", why=str(error))
            self._owed = None if report.is_running else report
            return
        self._owed = None
        kept = {**self.reports, report.number: report}
        self.reports = {it: kept[it] for it in sorted(kept)[-REPORTS_KEPT:]}
        if not failed:
            self._written = (report, time.monotonic())

    def _oldest_move(self) -> OldestMove | None:
        progress = self.progress
        if progress is None or not progress.since_ms:
            return None
        partition, since_ms = min(progress.since_ms.items(), key=lambda it: it[1])
        now_ms = time.monotonic_ns() // 1_000_000
        flight = progress.outlook.flights.get(partition)
        targets = () if flight is None else flight.targets
        return OldestMove(partition, targets, (now_ms - since_ms) / 1000)


def _is_cancelled(planned: Planned) -> bool:
    view = planned.view
    return view.config is not None and is_cancelled(view.config.rebalance, view)


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
