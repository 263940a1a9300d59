"""Give one partition to another node, in steps each of which may be the last.

    freeze -> swap the record -> (the view shows it) close
                   |
                   +-> certainly not written: thaw

The data is not moved yet: the target starts empty, and a moved key is a miss.

Between freeze and close nothing is acknowledged here, so the target may serve from
the moment its record stands. A frozen partition is thawed only when the record
certainly stays with this node. A swap that may still be on its way cannot win once
this node's registration is another, since it compares that very key: so the
attempt ends when the outcome is known or the registration is gone, and from there
the newest record decides (``decide``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Won, hand_over
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreRefused, StoreUnavailable
from shoal_coordinator.registry.records import CopyId
from shoal_coordinator.registry.view import HeldPartition
from shoal_node.actions import HandOver
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.local import Local
from shoal_node.membership import Offload
from shoal_node.succession import succeeded_by

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.2


async def hand_partition_over(
    action: HandOver,
    copy_id: CopyId,
    store: Store,
    keys: Keys,
    data_plane: DataPlanePort,
    local: Local,
    offload: Offload,
) -> bool:
    """Try it once; return whether it came about. Raises StoreWentBack.

    Leaves the partition frozen: thawing or closing it is decided by its record.
    """
    partition = action.partition
    epoch = local.serving[partition]
    record = succeeded_by(action.held.record, action.target.registration, copy_id)
    local.froze(partition)
    try:
        await offload(_freezing(data_plane, partition))
    except ValueError:
        assert partition not in local.serving, "only what was closed meanwhile cannot be frozen"
        return False
    while local.serving.get(partition) == epoch and local.registration == action.own:
        try:
            outcome = await hand_over(store, keys, action.held, record, action.own, action.target)
        except (StoreUnavailable, StoreRefused) as error:
            _log.warning("not handed over", partition=partition, why=str(error))
            return False
        except OutcomeUnknown as error:
            _log.warning("hand-over in doubt, asking again", partition=partition, why=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        if isinstance(outcome, Won):
            local.wrote(HeldPartition(record, outcome.mod_revision))
            return True
        if outcome.current is not None:
            local.wrote(outcome.current)
        return False
    return False


def _freezing(data_plane: DataPlanePort, partition: int) -> Callable[[], None]:
    def freeze() -> None:
        data_plane.freeze_partition(partition)

    return freeze
