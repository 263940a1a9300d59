"""Take vacant partitions over, by compare-and-swap: all that are due at once together.

The transaction compares each record as it was decided on, that the old primary's
key is as the view showed it, and that this node's own registration stands; where no
copy in sync is left, also that those who had one are gone still. Opening
or promoting the partition is decided by the record that it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Taken, Won, take_over_together
from shoal_coordinator.registry.port import (
    ABSENT,
    OutcomeUnknown,
    Store,
    StoreRefused,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import Copy, CopyId
from shoal_coordinator.registry.view import HeldPartition
from shoal_node.actions import TakeOver
from shoal_node.local import Local
from shoal_node.succession import succeeded_by

_log = structlog.get_logger(__name__)


async def take_partitions_over(
    actions: Sequence[TakeOver],
    fresh_ids: Sequence[CopyId],
    store: Store,
    keys: Keys,
    local: Local,
) -> list[bool]:
    """Try it once; return which came about. Raises StoreWentBack.

    All of them were decided on under one registration. ``fresh_ids``, one for each, were
    never used: the copy's id where it starts empty. Where the outcome stays unknown, the
    next view tells it.
    """
    taken = [_taken(action, fresh, local) for action, fresh in zip(actions, fresh_ids, strict=True)]
    try:
        outcomes = await take_over_together(store, keys, taken, actions[0].own)
    except (StoreUnavailable, StoreRefused, OutcomeUnknown) as error:
        numbers = [action.partition for action in actions]
        _log.warning("not taken over", partitions=numbers, why=str(error))
        return [False] * len(actions)
    for it, outcome in zip(taken, outcomes, strict=True):
        if isinstance(outcome, Won):
            local.wrote(HeldPartition(it.record, outcome.mod_revision))
        elif outcome.current is not None:
            local.wrote(outcome.current)
    return [isinstance(outcome, Won) for outcome in outcomes]


def _taken(action: TakeOver, fresh_id: CopyId, local: Local) -> Taken:
    held = action.held
    if action.copy_id is None:
        local.drew(action.partition, fresh_id)
    copy = Copy(local.node, action.copy_id or fresh_id)
    record = succeeded_by(held.record, action.own.registration, copy, action.others)
    primary = held.record.primary
    previous = ABSENT if action.previous is None else action.previous.create_revision
    is_own = primary is not None and local.owns(held)
    old = None if primary is None or is_own else (primary.node, previous)
    gone = tuple(
        (node, ABSENT if stands is None else stands.create_revision) for node, stands in action.gone
    )
    return Taken(held, record, old, gone)
