"""Carrying actions out: each a compare-and-swap under the leadership, few at a time.

What loses is not repeated here: the next view decides anew.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from shoal_coordinator.planning.actions import (
    Action,
    AdmitMember,
    PartitionAction,
    RefreshMember,
)
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import (
    Lost,
    PlannedRecord,
    Won,
    change_member,
    plan_partitions,
)
from shoal_coordinator.registry.port import (
    Guard,
    OutcomeUnknown,
    Revision,
    Store,
    StoreUnavailable,
)
from shoal_coordinator.registry.view import ElectedLeader

_log = structlog.get_logger(__name__)

AT_ONCE_MAX = 8
"""Commits on their way."""
RECORDS_TOGETHER = 50
"""Records in one commit: if one of them has moved, all of them lose."""
_SINGLE_LINES_MAX = 24
"""Of more actions of a kind only their number is logged at level info."""


class LeadershipLost(Exception):
    """A write found that the election does not stand any more."""


class Counts(Protocol):
    """Is told how many actions of a kind were carried out."""

    def carried_out(self, kind: str, number: int) -> None: ...


class Actor:
    """Acts under one leadership."""

    def __init__(self, store: Store, keys: Keys, leadership: ElectedLeader, counts: Counts) -> None:
        self._store = store
        self._keys = keys
        self._leadership = leadership
        self._counts = counts
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def carry_out(self, actions: Sequence[Action]) -> Revision:
        """Carry all out; return the highest revision at which one now stands, or 0.

        Raises LeadershipLost, and StoreWentBack. Cancelled, it stops at once; what
        was on its way may stand or not.
        """
        members: list[AdmitMember | RefreshMember] = []
        partitions: list[PartitionAction] = []
        for action in actions:
            if isinstance(action, AdmitMember | RefreshMember):
                members.append(action)
            else:
                partitions.append(action)
        groups = [
            partitions[start : start + RECORDS_TOGETHER]
            for start in range(0, len(partitions), RECORDS_TOGETHER)
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._member(action)) for action in members]
                running += [tasks.create_task(self._partitions(group)) for group in groups]
        except ExceptionGroup as several:
            # One of them tells enough: all end the term.
            raise several.exceptions[0] from several
        done = [step for task in running for step in task.result()]
        self._tell([action for action, _ in done])
        return max((revision for _, revision in done), default=Revision(0))

    async def _member(self, action: AdmitMember | RefreshMember) -> list[tuple[Action, Revision]]:
        async with self._turns:
            try:
                outcome = await change_member(
                    self._store, self._keys, action.member.id, action.of, self._leadership
                )
            except (StoreUnavailable, OutcomeUnknown) as error:
                _log.warning("an action is decided again", action=str(action), why=str(error))
                return []
        if isinstance(outcome, Won):
            return [(action, outcome.mod_revision)]
        self._check_leadership(outcome.failed)
        return []

    async def _partitions(
        self, actions: Sequence[PartitionAction]
    ) -> list[tuple[Action, Revision]]:
        planned = [PlannedRecord(action.record, action.expected) for action in actions]
        async with self._turns:
            try:
                outcomes = await plan_partitions(self._store, self._keys, planned, self._leadership)
            except (StoreUnavailable, OutcomeUnknown) as error:
                _log.warning(
                    "actions are decided again",
                    first=str(actions[0]),
                    number=len(actions),
                    why=str(error),
                )
                return []
        won: list[tuple[Action, Revision]] = []
        for action, outcome in zip(actions, outcomes, strict=True):
            if isinstance(outcome, Lost):
                self._check_leadership(outcome.failed)
            else:
                won.append((action, outcome.mod_revision))
        return won

    def _check_leadership(self, failed: Sequence[Guard]) -> None:
        if any(guard.key == self._keys.leader for guard in failed):
            raise LeadershipLost

    def _tell(self, done: Sequence[Action]) -> None:
        by_kind: dict[str, list[Action]] = defaultdict(list)
        for action in done:
            by_kind[type(action).__name__].append(action)
        for kind, actions in by_kind.items():
            self._counts.carried_out(kind, len(actions))
            if len(actions) <= _SINGLE_LINES_MAX:
                for action in actions:
                    _log.info(str(action), action=kind)
            else:
                _log.info(
                    f"{actions[0]}; and {len(actions) - 1} more such actions",
                    action=kind,
                    number=len(actions),
                )
