"""Take one vacant partition over, by compare-and-swap.

The transaction compares the record as it was decided on, that the old primary's
key is as the view showed it, and that this node's own registration stands. Opening
the partition is decided by the record that it wrote.
"""

from __future__ import annotations

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Won, take_over
from shoal_coordinator.registry.port import (
    ABSENT,
    OutcomeUnknown,
    Store,
    StoreRefused,
    StoreUnavailable,
)
from shoal_coordinator.registry.records import CopyId
from shoal_coordinator.registry.view import HeldPartition
from shoal_node.actions import TakeOver
from shoal_node.local import Local
from shoal_node.succession import succeeded_by

_log = structlog.get_logger(__name__)


async def take_partition_over(
    action: TakeOver, copy_id: CopyId, store: Store, keys: Keys, local: Local
) -> bool:
    """Try it once; return whether it came about. Raises StoreWentBack.

    Where the outcome stays unknown, the next view tells it.
    """
    held, own = action.held, action.own
    record = succeeded_by(held.record, own.registration, copy_id)
    primary = held.record.primary
    stands = ABSENT if action.previous is None else action.previous.create_revision
    old = None if primary is None else (primary.node, stands)
    try:
        outcome = await take_over(store, keys, held, record, own, old)
    except (StoreUnavailable, StoreRefused, OutcomeUnknown) as error:
        _log.warning("not taken over", partition=action.partition, why=str(error))
        return False
    if isinstance(outcome, Won):
        local.wrote(HeldPartition(record, outcome.mod_revision))
        return True
    if outcome.current is not None:
        local.wrote(outcome.current)
    return False
