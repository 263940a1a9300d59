"""The records that follow when a partition changes its primary.

Always the next epoch, and everything that the coordinator planned left as it was; a
wish to hand over ends when it is fulfilled. What differs is who is in sync:

- taken over with data: the copies in sync that are left, and the new primary's;
- taken over without a copy in sync: the new primary's alone;
- handed over: the same as before; without the source where it stops, or nobody wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shoal_coordinator.registry.records import Copy, Epoch, NodeRegistration, PartitionRecord


def succeeded_by(
    record: PartitionRecord, primary: NodeRegistration, copy: Copy, others: Sequence[Copy]
) -> PartitionRecord:
    """``record`` with ``copy``, on ``primary``, as its next primary beside ``others``."""
    assert copy.node == primary.id
    return replace(
        record,
        epoch=Epoch(record.epoch + 1),
        primary=copy,
        primary_incarnation=primary.incarnation,
        in_sync=(copy, *(other for other in others if other.node != copy.node)),
        handoff_to=None if record.handoff_to == primary.id else record.handoff_to,
    )
