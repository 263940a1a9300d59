"""Give partitions to other nodes' copies, in steps each of which may be the last.

    freeze -> drain -> swap the records -> (the view shows it) follow the new primary
                 |          |
                 +----------+-> certainly not written: thaw

All that is handed over at once goes these steps together: frozen in one go, drained by
one exchange with each follower, and written by one commit, of which every process hears
once. Each commit costs all of them work, for which requests would wait.

Between freeze and giving it up nothing is acknowledged here, and the target has
everything once it is drained: so it may serve from the moment its record stands. A
frozen partition is thawed only when the record certainly stays with this node. A swap
that may still be on its way cannot win once this node's registration is another, since
it compares that very key: so the attempt ends when the outcome is known or the
registration is gone, and from there the newest record decides (``decide``). Once one
swap is in doubt, another that was certainly not written says nothing of the first.

What a record gives to a copy that is lost is not served here: it is passed on the same
way, without the first two steps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Handed, Lost, Won, hand_over
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreRefused, StoreUnavailable
from shoal_coordinator.registry.records import Epoch, PartitionId
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


async def hand_partitions_over(
    actions: Sequence[HandOver], ports: HandOverPorts, local: Local, drain_ms: int
) -> list[bool]:
    """Try it once; return which came about. Raises StoreWentBack.

    All of them were decided on under one registration, and are at most
    ``HANDED_TOGETHER_MAX``. Leaves the partitions frozen: thawing or giving them up is
    decided by their records.
    """
    epochs = {it.partition: local.serving.get(it.partition) for it in actions}
    drained = await _frozen_and_drained(actions, ports, local, drain_ms)
    passed_on = {partition for partition, epoch in epochs.items() if epoch is None}
    ready = [it for it in actions if it.partition in drained | passed_on]
    won: set[PartitionId] = set()
    is_in_doubt = False
    while ready := _as_they_were(ready, epochs, local):
        own = actions[0].own
        handed = [_handed(it) for it in ready]
        try:
            outcomes = await hand_over(ports.store, ports.keys, handed, own)
        except (StoreUnavailable, StoreRefused) as error:
            _log.warning("not handed over", partitions=_numbers(ready), why=str(error))
            if not is_in_doubt:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        except OutcomeUnknown as error:
            _log.warning("in doubt, asking again", partitions=_numbers(ready), why=str(error))
            is_in_doubt = True
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        for it, outcome in zip(handed, outcomes, strict=True):
            _note(it, outcome, local, won)
        break
    return [it.partition in won for it in actions]


def _as_they_were(
    actions: list[HandOver], epochs: dict[PartitionId, Epoch | None], local: Local
) -> list[HandOver]:
    """Those whose hand-over can still be this node's to make."""
    return [
        it
        for it in actions
        if local.serving.get(it.partition) == epochs[it.partition]
        and local.is_registered_as(it.own)
    ]


def _handed(action: HandOver) -> Handed:
    target = action.target.registration
    record = succeeded_by(action.held.record, target, action.copy, action.others)
    return Handed(action.held, record, action.target)


def _note(
    handed: Handed,
    outcome: Won | Lost[HeldPartition],
    local: Local,
    won: set[PartitionId],
) -> None:
    """Also an attempt that was in doubt may turn out to have won."""
    if isinstance(outcome, Won):
        local.wrote(HeldPartition(handed.record, outcome.mod_revision))
        won.add(handed.record.partition)
    elif outcome.current is not None:
        local.wrote(outcome.current)
        if outcome.current.record == handed.record:
            won.add(handed.record.partition)


async def _frozen_and_drained(
    actions: Sequence[HandOver], ports: HandOverPorts, local: Local, drain_ms: int
) -> set[PartitionId]:
    """Freeze what is served, and tell of which of it the targets have all, in time.

    Both in one go: requests wait from the first on, and each way to another thread and back
    is one that the machine may be slow to go.
    """
    served = [it for it in actions if it.partition in local.serving]
    if not served:
        return set()
    for it in served:
        local.froze(it.partition)
    frozen: list[HandOver] = []

    def freeze_and_drain() -> object:
        for it in served:
            with contextlib.suppress(ValueError):
                ports.data_plane.freeze_partition(it.partition)
                frozen.append(it)
        copies = [(it.partition, it.copy.copy_id) for it in frozen]
        return ports.data_plane.drain_partitions(copies, drain_ms)

    told = cast("list[bool]", await ports.offload(freeze_and_drain))
    for it in served:
        is_given_up = it.partition not in local.serving
        assert it in frozen or is_given_up, "only what was given up meanwhile is not served"
    late = [it for it, is_drained in zip(frozen, told, strict=True) if not is_drained]
    for it in late:
        why = f"{it.to} is not near enough"
        _log.warning("not handed over", partition=it.partition, why=why)
    return {it.partition for it in frozen if it not in late}


def _numbers(actions: Sequence[HandOver]) -> list[int]:
    return [action.partition for action in actions]
