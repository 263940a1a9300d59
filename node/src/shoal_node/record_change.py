"""Change records of partitions that this node serves, and find out what came of it.

While the outcome is not known the change counts as on its way, and what it would make
true is waited for (``in_sync``). It cannot win any more once this node's registration is
another, since it compares that very key: so the attempt ends when the outcome is known
or the registration is gone, and from there the newest record decides. Once one attempt is
in doubt, another that was certainly not written says nothing of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations import Won, change_together
from shoal_coordinator.registry.port import OutcomeUnknown, Store, StoreRefused, StoreUnavailable
from shoal_coordinator.registry.view import HeldPartition
from shoal_node.actions import ChangeAsPrimary
from shoal_node.local import Local

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.2


async def change_records(
    actions: Sequence[ChangeAsPrimary], store: Store, keys: Keys, local: Local
) -> list[bool]:
    """Try it until the outcome is known; return which came about. Raises StoreWentBack.

    All of them were decided on under one registration.
    """
    own = actions[0].own
    is_in_doubt = False
    while local.is_registered_as(own):
        try:
            outcomes = await change_together(
                store, keys, [(action.held, action.record) for action in actions], own
            )
        except (StoreUnavailable, StoreRefused) as error:
            _log.warning("records not changed", partitions=_numbers(actions), why=str(error))
            if not is_in_doubt:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        except OutcomeUnknown as error:
            _log.warning("changes are in doubt", partitions=_numbers(actions), why=str(error))
            is_in_doubt = True
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        for action, outcome in zip(actions, outcomes, strict=True):
            if isinstance(outcome, Won):
                local.wrote(HeldPartition(action.record, outcome.mod_revision))
            elif outcome.current is not None:
                local.wrote(outcome.current)
        return [isinstance(outcome, Won) for outcome in outcomes]
    return [False] * len(actions)


def _numbers(actions: Sequence[ChangeAsPrimary]) -> list[int]:
    return [action.partition for action in actions]
