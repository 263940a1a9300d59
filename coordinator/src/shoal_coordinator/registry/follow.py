"""Follow a cluster's registry: one view after the other, each at a newer revision.

The prefix is listed, then watched from that revision. A task of its own drains the
watch into the newest view while the consumer is busy, so nothing queues up: what
waits is one view. After a compaction the prefix is listed again, and what is
absent counts as deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import structlog

from shoal_coordinator.registry.apply import Applied, apply, view_of
from shoal_coordinator.registry.keys import Keys
from shoal_coordinator.registry.port import Compacted, Store, StoreUnavailable
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
        view = newest.put(view_of(keys, reading, view))
        try:
            async with contextlib.aclosing(store.watch(keys.prefix, view.revision)) as watch:
                async for events in watch:
                    if events.events:
                        view = newest.put(apply(view, events))
        except Compacted as compacted:
            _log.info("registry_listed_again", why=str(compacted))
