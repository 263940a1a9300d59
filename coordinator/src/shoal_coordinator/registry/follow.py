"""Follow a cluster's registry: one view after the other, each at a newer revision.

The prefix is listed, then watched from that revision. A task of its own drains the
watch into the newest view while the consumer is busy, so nothing queues up: what
waits is one view. After a compaction the prefix is listed again, and what is
absent counts as deleted. Records of partitions are never deleted, nor do their revisions
fall: where a new listing says otherwise, etcd was restored from a backup, even if its own
revision has risen meanwhile, as a restore can make it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import structlog

from shoal_coordinator.registry.apply import Applied, apply, view_of
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import (
    Compacted,
    Reading,
    Store,
    StoreUnavailable,
    StoreWentBack,
)
from shoal_coordinator.registry.view import ClusterView

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.2


async def follow(store: Store, keys: Keys) -> AsyncGenerator[ClusterView]:
    """Yield the cluster's view, and a new one whenever something in it has changed.

    The first comes as soon as the store answers, however long that takes. Views
    are in the order of their revisions; what changed while the consumer was busy
    comes as one view. Close it (``contextlib.aclosing``) to stop following.
    Raises StoreWentBack, and StoreRefused when etcd does not let this process read.
    """
    newest = _Newest()
    task = asyncio.create_task(_drain(store, keys, newest), name=f"follow {keys.prefix}")
    task.add_done_callback(lambda _: newest.arrived.set())
    try:
        while True:
            await newest.arrived.wait()
            newest.arrived.clear()
            view, newest.unseen = newest.unseen, None
            if view is not None:
                yield view
            elif task.done():
                task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


class _Newest:
    """The newest view, until the consumer has taken it."""

    def __init__(self) -> None:
        self.unseen: ClusterView | None = None
        self.arrived = asyncio.Event()

    def put(self, applied: Applied) -> ClusterView:
        for corrupt in applied.corrupt:
            _log.error("registry_value_unusable", key=corrupt.key, why=corrupt.why)
        self.unseen = applied.view
        self.arrived.set()
        return applied.view


async def _drain(store: Store, keys: Keys, newest: _Newest) -> None:
    """Keep ``newest`` up to date until cancelled. Raises StoreWentBack."""
    view: ClusterView | None = None
    while True:
        try:
            reading = await store.read(keys.prefix)
        except StoreUnavailable as error:
            _log.warning("registry_unavailable", why=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        if view is not None:
            _check_goes_on(keys, view, reading)
        view = newest.put(view_of(keys, reading, view))
        try:
            async with contextlib.aclosing(store.watch(keys.prefix, view.revision)) as watch:
                async for events in watch:
                    if events.events:
                        view = newest.put(apply(view, events))
        except Compacted as compacted:
            _log.info("registry_listed_again", why=str(compacted))


def _check_goes_on(keys: Keys, view: ClusterView, reading: Reading) -> None:
    """Raises StoreWentBack where the reading cannot have come after the view."""
    told = {item.key: item.mod_revision for item in reading.items}
    for partition, held in view.partitions.items():
        key = keys.partition(partition)
        if key not in told or told[key] < held.mod_revision:
            raise StoreWentBack(
                f"{key} was written at revision {held.mod_revision} and is "
                f"{f'as of {told[key]}' if key in told else 'gone'}: etcd was restored from an "
                "older backup; restart every program"
            )
