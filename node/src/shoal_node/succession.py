"""The record that follows when a partition changes its primary.

Both ways of changing it, take-over and hand-over, write the same shape: the next
epoch, a fresh copy that is the only one in sync (data is not moved yet: the new
primary starts empty), and everything that the coordinator planned left as it was.
"""

from __future__ import annotations

from dataclasses import replace

from shoal_coordinator.registry.records import (
    Copy,
    CopyId,
    Epoch,
    NodeRegistration,
    PartitionRecord,
)


def succeeded_by(
    record: PartitionRecord, primary: NodeRegistration, copy_id: CopyId
) -> PartitionRecord:
    """``record`` with ``primary`` as its next primary, whose empty copy is ``copy_id``."""
    copy = Copy(primary.id, copy_id)
    return replace(
        record,
        epoch=Epoch(record.epoch + 1),
        primary=copy,
        primary_incarnation=primary.incarnation,
        in_sync=(copy,),
        handoff_to=None if record.handoff_to == primary.id else record.handoff_to,
    )
