"""Reports of rebalances: written by the leader, the last few kept."""

from __future__ import annotations

from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.election import leadership_guard
from shoal_coordinator.registry.operations.settle import Swap, settle
from shoal_coordinator.registry.port import ABSENT, Delete, Guard, ModifiedAt, Put, Store
from shoal_coordinator.registry.reports import RebalanceReport, encode_report
from shoal_coordinator.registry.view import ElectedLeader

REPORTS_KEPT = 20
_DROPPED_AT_ONCE = 20


async def put_report(
    store: Store, keys: Keys, report: RebalanceReport, leadership: ElectedLeader
) -> tuple[Guard, ...]:
    """Write a report over what stands, and drop those that are too old.

    Returns the guards that failed: none, if it stands now.
    """
    key = keys.rebalance(report.number)
    standing = {item.key: item for item in (await store.read(keys.rebalances)).items}
    expected = standing[key].mod_revision if key in standing else ABSENT
    # Numbers have the same length, so keys sort as they do.
    old = sorted({*standing, key})[:-REPORTS_KEPT][:_DROPPED_AT_ONCE]
    swaps = [Swap(ModifiedAt(key, expected), Put(key, encode_report(report)))]
    swaps += [Swap(ModifiedAt(it, standing[it].mod_revision), Delete(it)) for it in old]
    settled = await settle(store, swaps, [leadership_guard(keys, leadership)])
    return settled.failed
