"""Give one partition to another node's copy, in steps each of which may be the last.

    freeze -> drain -> swap the record -> (the view shows it) follow the new primary
                 |          |
                 +----------+-> certainly not written: thaw

Between freeze and giving it up nothing is acknowledged here, and the target has
everything once it is drained: so it may serve from the moment its record stands. A
frozen partition is thawed only when the record certainly stays with this node. A swap
that may still be on its way cannot win once this node's registration is another, since
it compares that very key: so the attempt ends when the outcome is known or the
registration is gone, and from there the newest record decides (``decide``).

What a record gives to a copy that is lost is not served here: it is passed on the same
way, without the first two steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Won, hand_over
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreRefused, StoreUnavailable
from shoal_coordinator.registry.view import HeldPartition
from shoal_node.actions import HandOver
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.local import Local
from shoal_node.membership import Offload
from shoal_node.succession import succeeded_by

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class HandOverPorts:
    """What a hand-over reaches the world through."""

    store: Store
    keys: Keys
    data_plane: DataPlanePort
    offload: Offload


async def hand_partition_over(
    action: HandOver, ports: HandOverPorts, local: Local, drain_ms: int
) -> bool:
    """Try it once; return whether it came about. Raises StoreWentBack.

    Leaves the partition frozen: thawing or giving it up is decided by its record.
    """
    partition = action.partition
    epoch = local.serving.get(partition)
    if epoch is not None and not await _frozen_and_drained(action, ports, local, drain_ms):
        return False
    record = succeeded_by(
        action.held.record, action.target.registration, action.copy, action.others
    )
    while local.serving.get(partition) == epoch and local.is_registered_as(action.own):
        try:
            outcome = await hand_over(
                ports.store, ports.keys, action.held, record, action.own, action.target
            )
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


async def _frozen_and_drained(
    action: HandOver, ports: HandOverPorts, local: Local, drain_ms: int
) -> bool:
    partition = action.partition
    local.froze(partition)
    try:
        await ports.offload(_freezing(ports.data_plane, partition))
        drained = await ports.offload(
            _draining(ports.data_plane, partition, action.copy.copy_id, drain_ms)
        )
    except ValueError:
        assert partition not in local.serving, "only what was given up meanwhile is not served"
        return False
    if not drained:
        _log.warning("not handed over", partition=partition, why=f"{action.to} is not near enough")
    return bool(drained)


def _freezing(data_plane: DataPlanePort, partition: int) -> Callable[[], object]:
    def freeze() -> None:
        data_plane.freeze_partition(partition)

    return freeze


def _draining(
    data_plane: DataPlanePort, partition: int, copy_id: str, drain_ms: int
) -> Callable[[], object]:
    def drain() -> bool:
        return data_plane.drain_partition(partition, copy_id, drain_ms)

    return drain
