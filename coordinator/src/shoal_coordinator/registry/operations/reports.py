"""Reports of rebalances: written by the leader, the last few kept.

They stand beside the prefix that every process watches: at a thousand nodes one has more
than a hundred kilobytes, and nobody but the leader wants it.
"""

from __future__ import annotations

import structlog

from shoal_coordinator.registry.codec import RecordCorrupt
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.operations.election import leadership_guard
from shoal_coordinator.registry.operations.settle import Swap, settle
from shoal_coordinator.registry.port import ABSENT, Delete, Guard, ModifiedAt, Put, Store
from shoal_coordinator.registry.reports import RebalanceReport, decode_report, encode_report
from shoal_coordinator.registry.view import ElectedLeader

_log = structlog.get_logger(__name__)
REPORTS_KEPT = 20
_DROPPED_AT_ONCE = 20


async def read_reports(store: Store, keys: Keys) -> dict[int, RebalanceReport]:
    """Those that stand, by number in its order; what cannot be read is left out."""
    reports: dict[int, RebalanceReport] = {}
    for item in (await store.read(keys.rebalances)).items:
        try:
            report = decode_report(item.key, item.value)
        except RecordCorrupt as error:
            _log.error("registry_value_unusable", key=error.key, why=error.why)
            continue
        if keys.rebalance(report.number) == item.key:
            reports[report.number] = report
    return reports


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
